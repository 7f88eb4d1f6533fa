"""Result files of single runs → rows of one table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from smoothgates.analysis.statistics import drawdown
from smoothgates.errors import BadInput
from smoothgates.io.files import digest, read_json
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.manifests.scores import ScoresManifest
from smoothgates.io.paths import Paths
from smoothgates.provenance.integrity import fault_of, unchanged, vouched
from smoothgates.specs.analyse import Arms, seedless_fingerprint, spec_fingerprint
from smoothgates.specs.control import CONTROL

KEYS = ["task", "regime", "method", "seed"]
CELL = ["task", "benchmark", "regime"]
"""Within one of these, methods are compared."""


@dataclass(frozen=True)
class Scores:
    """One benchmark of a run."""

    final: dict[str, Any]
    """Row of the last checkpoint."""
    curve: list[dict[str, Any]]
    """Rows of the checkpoints on the way there."""


@dataclass(frozen=True)
class Run:
    """What there is of one run to be analysed."""

    scores: list[Scores]
    metrics: pd.DataFrame | None
    """One row an update, with the run's keys in front. None: not trained by RL."""
    gaps: list[dict[str, Any]]
    """A row for each benchmark whose scores cannot be trusted: the run's keys, the file that is wrong, and why."""


def read_run(paths: Paths, keys: dict[str, Any], asked: Arms) -> Run:
    """The scores of a run that are what was measured and is `asked` for, and its metrics; what is not so is a gap."""
    model, metrics, scores, gaps = Path(paths.model_of(**keys)), None, [], []
    for benchmark in asked.benchmarks:
        try:
            found = read_scores(Path(paths.scores.format(**keys, benchmark=benchmark)), model, keys, benchmark, asked)
            if keys["regime"] != CONTROL and metrics is None:
                metrics = read_metrics(Path(paths.metrics.format(**keys)), keys)
        except BadInput as error:
            gaps.append({**keys, "benchmark": benchmark, **fault_of(error)})
        else:
            scores.append(found)
    return Run(scores, metrics, gaps)


def read_scores(path: Path, model: Path, keys: dict[str, Any], benchmark: str, asked: Arms) -> Scores:
    """A scores file. BadInput unless it is of this benchmark and run, and of the policy in `model`, the run's manifest;
    both are what their records say, were told what is `asked` for, and are made from what is there now.
    """
    spec = read_manifest(unchanged(model), ModelManifest)["spec"]
    if keys_of(spec) != keys:
        raise BadInput(f"{model}: spec: is not the run {'/'.join(map(str, keys.values()))}")
    scores = read_json(unchanged(path), ScoresManifest.SCHEMA)
    found = {**keys_of(scores["run"]), "benchmark": scores["spec"]["benchmark"]}
    if found != (wanted := {**keys, "benchmark": benchmark}):
        raise BadInput(f"{path}: run: expected {wanted}, got {found}")
    if digest(model) != scores["model_sha256"]:
        raise BadInput(f"{path}: is not of the policy in {model}: evaluate it again")
    if seedless_fingerprint(spec) != asked.trained["{regime}/{method}".format(**keys)]:
        raise BadInput(f"{model}: spec: was trained otherwise than the study asks for now: run the study")
    if spec_fingerprint(scores["spec"]) != asked.evaluated[benchmark]:
        raise BadInput(f"{path}: spec: was evaluated otherwise than the study asks for now: run the study")
    final = {**wanted, "status": scores["status"], **scores["final"]}
    return Scores(final, [{**wanted, **point} for point in scores["curve"]])


def keys_of(run: dict[str, Any]) -> dict[str, Any]:
    """Which run a file says that it is of."""
    return {key: run[key if key in ("task", "seed") else f"{key}_name"] for key in KEYS}


def read_metrics(path: Path, keys: dict[str, Any]) -> pd.DataFrame:
    """Metrics of a run, one row an update, with its keys in front. BadInput unless its record accounts for them."""
    frame = pd.read_parquet(vouched(path))
    return pd.concat([pd.DataFrame([keys] * len(frame), columns=KEYS), frame], axis=1)


def stability(metrics: pd.DataFrame) -> dict[str, float]:
    """What the last checkpoint alone would hide: how a run went."""
    metrics = metrics.replace([np.inf, -np.inf], np.nan)
    rollouts = metrics.groupby("rollout")[["reward", "correct"]].first()
    return {
        "mean_reward": rollouts["reward"].mean(),
        "drawdown": drawdown(rollouts["correct"].tolist()),
        "mean_kl": metrics["kl"].mean(),
        "mean_eur": metrics["eur"].mean(),
        "max_grad_norm": metrics["grad_norm"].max(),
        "max_log_ratio": metrics["log_ratio_max"].max(),
        "clamped": metrics["clamped"].mean(),
        "max_sampler_gap": metrics["sampler_gap"].max(),
    }
