"""analyse: all runs of a study → one table of scores, one of curves, and comparisons with the reference method."""

from pathlib import Path

import pandas as pd

from smoothgates.analysis.collect import KEYS, read_metrics, read_scores, stability
from smoothgates.analysis.compare import comparisons, summaries
from smoothgates.files import write_atomically, write_json
from smoothgates.paths import Paths
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.specs import CONTROL, AnalyseSpec

SCHEMA = "smoothgates.comparisons"


def run(spec_text: str, results: Path, out: Path) -> None:
    """Read the scores below `results`, and the metrics of the models that they are of.

    Write `out` (comparisons.json), and beside it scores.parquet (runs), learning.parquet (checkpoints) and
    curves.parquet (updates).
    """
    spec = parse_spec(AnalyseSpec, spec_text)
    paths = Paths(spec.study, results.as_posix())
    wanted = [
        (task, regime, method, seed)
        for task, chosen in spec.tasks.items()
        for regime, method in chosen.arms
        for seed in spec.seeds
    ]
    files = {run: scores_of(paths, run, spec.tasks[run[0]].benchmarks) for run in wanted}
    execution = Execution("analyse", spec, inputs=[file for found in files.values() for file in found])
    runs, learning, curves = [], [], []
    for run, found in files.items():
        keys = dict(zip(KEYS, run, strict=True))
        scores = [read_scores(file, keys) for file in found]
        how = {}
        if keys["regime"] != CONTROL:
            frame = read_metrics(Path(paths.model.format(**keys)), scores[0].model, keys)
            curves.append(frame)
            how = stability(frame)
        runs += [one.final | how for one in scores]
        learning += [point for one in scores for point in one.curve]
    table = pd.DataFrame(runs).astype({"sampling_error": float})  # None where no problem is answered twice
    folder = out.parent
    write_frame(folder / "scores.parquet", table)
    write_frame(folder / "learning.parquet", pd.DataFrame(learning))
    write_frame(folder / "curves.parquet", pd.concat(curves, ignore_index=True))
    write_json(
        out,
        {
            "schema": SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "summaries": summaries(table, spec.confidence),
            "comparisons": comparisons(table, spec.reference, spec.confidence),
        },
    )
    tables = [folder / f"{name}.parquet" for name in ("scores", "learning", "curves")]
    execution.write(folder / "run.json", [out, *tables])


def scores_of(paths: Paths, run: tuple[str, str, str, int], benchmarks: tuple[str, ...]) -> list[Path]:
    keys = dict(zip(KEYS, run, strict=True))
    return [Path(paths.scores.format(**keys, benchmark=benchmark)) for benchmark in benchmarks]


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    write_atomically(path, frame.to_parquet(index=False, compression="zstd"))
