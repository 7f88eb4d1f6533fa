"""Reads the result files of single runs into rows of one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smoothgates.errors import BadInput
from smoothgates.io.files import digest, read_json
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.manifests.scores import ScoresManifest
from smoothgates.io.paths import Paths, samples_of
from smoothgates.provenance.integrity import fault_of, unchanged, vouched
from smoothgates.specs.analyse import Arms, seedless_fingerprint, spec_fingerprint
from smoothgates.specs.control import CONTROL

KEYS = ["task", "regime", "method", "seed"]
CELL = ["task", "benchmark", "regime"]
"""Methods are compared within the same task, benchmark and regime."""


@dataclass(frozen=True)
class Scores:
    """One benchmark of a run."""

    final: dict[str, Any]
    """Row of the last checkpoint."""
    curve: list[dict[str, Any]]
    """Rows of the earlier checkpoints."""
    by_problem: NDArray[np.float64]
    """Share of correct samples of the last checkpoint, for each problem."""


@dataclass(frozen=True)
class Run:
    """The results of one run that the analysis uses."""

    scores: list[Scores]
    metrics: pa.Table | None
    """One row per update. None if the run was not trained by RL."""
    gaps: list[dict[str, Any]]
    """One row per benchmark that is left out: the run's keys, the faulty file, and what is wrong with it."""


def read_run(paths: Paths, keys: dict[str, Any], expected: Arms) -> Run:
    """Read the scores and the metrics of a run. A benchmark whose files are not as `expected` becomes a gap."""
    model, metrics, scores, gaps = Path(paths.model_of(**keys)), None, [], []
    for benchmark in expected.benchmarks:
        try:
            path = Path(paths.scores.format(**keys, benchmark=benchmark))
            found = read_scores(path, model, keys, benchmark, expected)
            if keys["regime"] != CONTROL and metrics is None:
                metrics = pq.ParquetFile(vouched(Path(paths.metrics.format(**keys)))).read(use_threads=False)
        except BadInput as error:
            gaps.append({**keys, "benchmark": benchmark, **fault_of(error)})
        else:
            scores.append(found)
    return Run(scores, metrics, gaps)


def read_scores(path: Path, model: Path, keys: dict[str, Any], benchmark: str, expected: Arms) -> Scores:
    """Read a scores file of the policy whose manifest is `model`, and the samples that it summarises.

    Raises BadInput if one of these files does not match its record, has inputs that changed, belongs to another run,
    benchmark or policy, or was made with a spec other than the `expected` one.
    """
    spec = read_manifest(unchanged(model), ModelManifest)["spec"]
    if keys_of(spec) != keys:
        names = ["/".join(map(str, run.values())) for run in (keys, keys_of(spec))]
        raise BadInput(f"{model}: spec: expected the run {names[0]}, got {names[1]}")
    scores = read_json(unchanged(path), ScoresManifest.SCHEMA)
    found = {**keys_of(scores["run"]), "benchmark": scores["spec"]["benchmark"]}
    if found != (wanted := {**keys, "benchmark": benchmark}):
        raise BadInput(f"{path}: run: expected {wanted}, got {found}")
    if digest(model) != scores["model_sha256"]:
        raise BadInput(f"{path}: was not measured on the policy in {model}: evaluate it again")
    if seedless_fingerprint(spec) != expected.trained["{regime}/{method}".format(**keys)]:
        raise BadInput(f"{model}: spec: was trained with a spec other than the study's: run the study")
    if spec_fingerprint(scores["spec"]) != expected.evaluated[benchmark]:
        raise BadInput(f"{path}: spec: was evaluated with a spec other than the study's: run the study")
    final = {**wanted, "status": scores["status"], **scores["final"]}
    by_problem = read_problems(vouched(Path(samples_of(path.as_posix())), path))
    return Scores(final, [{**wanted, **point} for point in scores["curve"]], by_problem)


def read_problems(path: Path) -> NDArray[np.float64]:
    """Share of correct samples for each problem, in order, from the file of the samples."""
    samples = pq.ParquetFile(path).read(["problem", "correct"], use_threads=False)
    _, problem = np.unique(samples["problem"].to_numpy(), return_inverse=True)
    right = np.bincount(problem, weights=samples["correct"].to_numpy())
    return np.asarray(right / np.bincount(problem), dtype=np.float64)


def keys_of(run: dict[str, Any]) -> dict[str, Any]:
    """The keys of the run that a spec describes."""
    return {key: run[key if key in ("task", "seed") else f"{key}_name"] for key in KEYS}


def keyed(tables: Sequence[tuple[dict[str, Any], pa.Table]]) -> pd.DataFrame:
    """The tables of runs below each other, with the keys of each run in front."""
    frame = pa.concat_tables([table for _, table in tables], promote_options="default").to_pandas()
    counts = [len(table) for _, table in tables]
    for place, key in enumerate(KEYS):
        frame.insert(place, key, np.repeat([keys[key] for keys, _ in tables], counts))
    return frame
