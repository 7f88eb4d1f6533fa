"""analyse: from all runs of a study to tables of scores and curves, and comparisons with the reference method."""

import sys
from pathlib import Path

import pandas as pd

from smoothgates.analysis.collect import CELL, KEYS, keyed, read_run
from smoothgates.analysis.compare import comparisons, summaries, too_large
from smoothgates.analysis.outcomes import collapsed
from smoothgates.analysis.questions import answers
from smoothgates.analysis.stability import stability
from smoothgates.analysis.verdicts import Results, verdicts
from smoothgates.errors import BadInput
from smoothgates.io.files import write_atomically, write_json
from smoothgates.io.manifests.comparisons import ComparisonsManifest
from smoothgates.io.manifests.gates import GatesManifest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.verdicts import VerdictsManifest
from smoothgates.io.paths import Paths
from smoothgates.io.records import parse_spec
from smoothgates.provenance.integrity import vouched
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.control import CONTROL


def run(spec_text: str, results: Path, out: Path) -> None:
    """Read the scores and samples below `results`, and the metrics of the runs that were scored.

    Write `out` (comparisons.json), and beside it verdicts.json (claims and questions), scores.parquet (runs),
    learning.parquet (checkpoints) and curves.parquet (updates). Scores that fail a check are left out, and listed under
    `gaps` in `out`. Raises BadInput if too few are left.
    """
    spec = parse_spec(AnalyseSpec, spec_text)
    paths = Paths(spec.study, results.as_posix())
    wanted = [
        (task, regime, method, seed)
        for task, chosen in spec.tasks.items()
        for regime, method in chosen.arms
        for seed in spec.seeds
    ]
    files = [file for run in wanted for file in scores_of(paths, run, spec.tasks[run[0]].benchmarks)]
    catalogue = vouched(Path(paths.gates))
    theory = read_manifest(catalogue, GatesManifest)["theory"]
    execution = Execution("analyse", spec, inputs=[*(file for file in files if file.is_file()), catalogue])
    runs, learning, curves, gaps, by_problem = [], [], [], [], {}
    for run in wanted:
        keys = dict(zip(KEYS, run, strict=True))
        found = read_run(paths, keys, spec.tasks[run[0]])
        how = {}
        if found.metrics is not None:
            curves.append((keys, found.metrics))
            how = stability(found.metrics)
        runs += [one.final | how for one in found.scores]
        learning += [point for one in found.scores for point in one.curve]
        gaps += found.gaps
        arms = [tuple(one.final[key] for key in (*CELL, "method", "seed")) for one in found.scores]
        by_problem |= dict(zip(arms, (one.by_problem for one in found.scores), strict=True))
    for gap in gaps:
        print(f"left out: {gap['file']}: {gap['why']}", file=sys.stderr)
    check_enough(spec, runs, gaps)
    table = pd.DataFrame(runs).astype({"sampling_error": float})  # None where no problem is answered twice
    starts = {(task, regime): start for task, arms in spec.tasks.items() for regime, start in arms.starts.items()}
    table["collapsed"] = collapsed(table, starts)
    compared = comparisons(table, spec.reference, spec.confidence, by_problem)
    warnings = too_large(compared, spec.confidence)
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
    folder = out.parent
    write_frame(folder / "scores.parquet", table)
    write_frame(folder / "learning.parquet", pd.DataFrame(learning))
    updates = keyed(curves)
    write_frame(folder / "curves.parquet", updates)
    results_of_study = Results(spec, table, updates, theory, paths)
    judged = {**verdicts(results_of_study), "questions": answers(results_of_study)}
    write_json(folder / "verdicts.json", {"schema": VerdictsManifest.SCHEMA, "schema_version": 1, **judged})
    write_json(
        out,
        {
            "schema": ComparisonsManifest.SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "gaps": gaps,
            "warnings": warnings,
            "summaries": summaries(table, spec.confidence),
            "comparisons": compared,
        },
    )
    tables = [folder / f"{name}.parquet" for name in ("scores", "learning", "curves")]
    execution.write(folder / "run.json", [out, folder / "verdicts.json", *tables])


def check_enough(spec: AnalyseSpec, runs: list[dict], gaps: list[dict]) -> None:
    """Raise BadInput if a task has no RL run left, or none of the reference method."""
    for task, chosen in spec.tasks.items():
        asked = {method for regime, method in chosen.arms if regime != CONTROL}
        left = {run["method"] for run in runs if run["task"] == task and run["regime"] != CONTROL}
        if not left or spec.reference in asked - left:
            own = [gap for gap in gaps if gap["task"] == task and gap["regime"] != CONTROL]
            first = next((gap for gap in own if gap["method"] == spec.reference), own[0])
            more = f"(and {len(own) - 1} more): {task} has no score of {first['method']} left"
            raise BadInput(f"{first['file']}: {first['why']} {more}")


def scores_of(paths: Paths, run: tuple[str, str, str, int], benchmarks: tuple[str, ...]) -> list[Path]:
    keys = dict(zip(KEYS, run, strict=True))
    return [Path(paths.scores.format(**keys, benchmark=benchmark)) for benchmark in benchmarks]


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    write_atomically(path, frame.to_parquet(index=False, compression="zstd"))
