"""What the report rests on, checked against its records: the analysis is sound or refused, the rest sound or named."""

from collections.abc import Iterable
from pathlib import Path

from smoothgates.account import digest_now, named, read_record, vouched
from smoothgates.errors import BadInput
from smoothgates.files import read_json
from smoothgates.paths import record_of
from smoothgates.specs import ReportSpec


def checked_analysis(spec: ReportSpec, analysis: Path, others: Iterable[Path]) -> dict:
    """Content of comparisons.json. BadInput unless it and the `others`, tables and gates, are what their records say,
    it is of this study and of its methods as they are, and its scores are as they were when it was made.
    """
    for path in (analysis, *others):
        try:
            vouched(path)
        except BadInput as error:
            raise BadInput(f"{error}: {again(path)}") from None
    compared = read_json(analysis, "smoothgates.comparisons")
    for key in ("study", "reference", "confidence"):
        if (found := compared["spec"][key]) != (wanted := getattr(spec, key)):
            raise BadInput(f"{analysis}: spec.{key}: expected {wanted}, got {found}: {again(analysis)}")
    read = read_record(Path(record_of(analysis.as_posix())))["inputs"]
    for path, made in (read | {each["file"]: each["sha256"] for each in compared["gaps"]}).items():
        if digest_now(Path(path)) != made:
            raise BadInput(f"{path}: has changed since {analysis} was made: {again(analysis)}")
    today = {name: method.model_dump(mode="json") for name, method in spec.methods.items()}
    for name, rows in compared["methods"].items():
        if others := [row for row in rows if row != today.get(name)]:
            raise BadInput(
                f"{analysis}: methods.{name}: was trained as {others[0]}, which is not its row now: run the study"
            )
    return compared


def again(path: Path) -> str:
    """What to do about a file that a rule makes from the scores."""
    return f"delete {path}, and `make report` makes it again"


def sound(paths: Iterable[Path]) -> tuple[list[Path], list[dict]]:
    """Those of some files that are what their records say, and a gap for each other one."""
    kept, gaps = [], []
    for path in paths:
        try:
            kept.append(vouched(path))
        except BadInput as error:
            gaps.append(named(error))
    return kept, gaps


def by_file(gaps: Iterable[dict]) -> list[dict]:
    """One row a file, with the scores that are missing because of it."""
    rows: dict[str, dict] = {}
    for each in gaps:
        row = rows.setdefault(each["file"], {"file": each["file"], "why": each["why"], "scores": []})
        if "benchmark" in each:
            row["scores"].append("/".join(str(each[key]) for key in ("task", "regime", "method", "seed", "benchmark")))
    return list(rows.values())
