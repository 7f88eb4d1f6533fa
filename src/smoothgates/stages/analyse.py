"""analyse: all runs of a study → one table of scores, one of curves, and comparisons with the reference method."""

from pathlib import Path

import pandas as pd

from smoothgates.analysis.collect import KEYS, read_metrics, read_scores, stability
from smoothgates.analysis.compare import comparisons, summaries
from smoothgates.files import write_atomically, write_json
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.specs import AnalyseSpec

SCHEMA = "smoothgates.comparisons"


def run(spec_text: str, scores: list[Path], metrics: list[Path], out: Path) -> None:
    """Write `out` (comparisons.json), and beside it scores.parquet (runs), learning.parquet (checkpoints) and
    curves.parquet (updates). A metrics file belongs to the scores file of the same task/regime/method/seed folders.
    """
    spec = parse_spec(AnalyseSpec, spec_text)
    execution = Execution("analyse", spec.canonical())
    by_run = {path.parent.parts[-4:]: path for path in metrics}
    runs, learning, curves = [], [], []
    for path in scores:
        final, points = read_scores(path)
        keys = {key: final[key] for key in KEYS}
        if metrics_path := by_run.get(path.parent.parts[-4:]):
            frame = read_metrics(metrics_path, keys)
            curves.append(frame)
            final |= stability(frame)
        runs.append(final)
        learning += points
    table = pd.DataFrame(runs)
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
    execution.write(folder)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    write_atomically(path, frame.to_parquet(index=False, compression="zstd"))
