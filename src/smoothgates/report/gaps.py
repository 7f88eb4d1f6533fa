"""What the report rests on, checked against its records: the analysis is sound or refused, the rest sound or named."""

from collections.abc import Iterable
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import read_json
from smoothgates.io.manifests.comparisons import ComparisonsManifest
from smoothgates.io.paths import record_of
from smoothgates.io.records import parse
from smoothgates.provenance.integrity import digest_now, fault_of, read_record, vouched
from smoothgates.provenance.run_record import spec_digest
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.report import ReportSpec


def checked_analysis(spec: ReportSpec, analysis: Path, others: Iterable[Path]) -> dict:
    """Content of comparisons.json. BadInput unless it and the `others`, tables and gates, are what their records say,
    it is of this study as it is, and its scores are as they were when it was made.
    """
    for path in (analysis, *others):
        try:
            vouched(path)
        except BadInput as error:
            raise BadInput(f"{error}: {again(path)}") from None
    compared = read_json(analysis, ComparisonsManifest.SCHEMA)
    if spec_digest(parse(AnalyseSpec, compared["spec"], str(analysis))) != spec.analysed:
        raise BadInput(f"{analysis}: spec: is not what the study asks for now: {again(analysis)}")
    read = read_record(Path(record_of(analysis.as_posix())))["inputs"]
    for path, made in (read | {each["file"]: each["sha256"] for each in compared["gaps"]}).items():
        if (now := digest_now(Path(path))) != made:
            then = again(analysis) if now else f"delete {analysis} too, and `make study` makes both again"
            raise BadInput(f"{path}: {'has changed' if now else 'is gone'} since {analysis} was made: {then}")
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
            gaps.append(fault_of(error))
    return kept, gaps


def by_file(gaps: Iterable[dict]) -> list[dict]:
    """One row a file, with the scores that are missing because of it."""
    rows: dict[str, dict] = {}
    for each in gaps:
        row = rows.setdefault(each["file"], {"file": each["file"], "why": each["why"], "scores": []})
        if "benchmark" in each:
            row["scores"].append("/".join(str(each[key]) for key in ("task", "regime", "method", "seed", "benchmark")))
    return list(rows.values())
