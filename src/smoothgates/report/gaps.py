"""Checks the report's inputs against their records. A faulty analysis is an error; other faulty files become gaps."""

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
    """Content of comparisons.json.

    Raises BadInput if it, or one of the `others` (tables and gates), does not match its record, if the study has
    another spec now, or if the scores have changed since the analysis.
    """
    for path in (analysis, *others):
        try:
            vouched(path)
        except BadInput as error:
            raise BadInput(f"{error}: {how_to_remake(path)}") from None
    compared = read_json(analysis, ComparisonsManifest.SCHEMA)
    if spec_digest(parse(AnalyseSpec, compared["spec"], str(analysis))) != spec.analysed:
        raise BadInput(f"{analysis}: spec: is not the study's current one: {how_to_remake(analysis)}")
    read = read_record(Path(record_of(analysis.as_posix())))["inputs"]
    for path, made in (read | {each["file"]: each["sha256"] for each in compared["gaps"]}).items():
        if (now := digest_now(Path(path))) != made:
            then = how_to_remake(analysis) if now else f"delete {analysis} too and run `make study`"
            raise BadInput(f"{path}: {'has changed' if now else 'is gone'} since {analysis} was made: {then}")
    return compared


def how_to_remake(path: Path) -> str:
    """Instruction for making a file of the analysis or the report again."""
    return f"delete {path} and run `make report`"


def matching(paths: Iterable[Path]) -> tuple[list[Path], list[dict]]:
    """The files that match their records, and a gap for each of the others."""
    kept, gaps = [], []
    for path in paths:
        try:
            kept.append(vouched(path))
        except BadInput as error:
            gaps.append(fault_of(error))
    return kept, gaps


def by_file(gaps: Iterable[dict]) -> list[dict]:
    """One row per faulty file, with the scores that are missing because of it."""
    rows: dict[str, dict] = {}
    for each in gaps:
        row = rows.setdefault(each["file"], {"file": each["file"], "why": each["why"], "scores": []})
        if "benchmark" in each:
            row["scores"].append("/".join(str(each[key]) for key in ("task", "regime", "method", "seed", "benchmark")))
    return list(rows.values())
