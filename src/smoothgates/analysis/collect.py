"""Result files of single runs → rows of one table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from smoothgates.analysis.statistics import drawdown
from smoothgates.errors import BadInput
from smoothgates.files import check_file, digest, read_json

KEYS = ["task", "regime", "method", "seed"]
CELL = ["task", "benchmark", "regime"]
"""Within one of these, methods are compared."""


@dataclass(frozen=True)
class Scores:
    """One benchmark of a run."""

    final: dict
    """Row of the last checkpoint."""
    curve: list[dict]
    """Rows of the checkpoints on the way there."""
    model: str
    """sha256 of the manifest of the policy that was scored."""


def read_scores(path: Path, keys: dict) -> Scores:
    """A scores file, which must be of the run with these keys."""
    scores = read_json(path, "smoothgates.scores")
    run = scores["run"]
    found = {"task": run["task"], "regime": run["regime_name"], "method": run["method_name"], "seed": run["seed"]}
    if found != keys:
        raise BadInput(f"{path}: run: expected {keys}, got {found}")
    keys = {**keys, "benchmark": scores["spec"]["benchmark"]}
    final = {**keys, "status": scores["status"], **scores["final"]}
    return Scores(final, [{**keys, **point} for point in scores["curve"]], scores["model_sha256"])


def read_metrics(model: Path, scored: str, keys: dict) -> pd.DataFrame:
    """Metrics of the run whose manifest is `model`, one row an update, with the run's keys in front.

    BadInput unless it is the manifest that was scored, and the metrics are those that it names.
    """
    if digest(model) != scored:
        raise BadInput(f"{model}: is not the model that was scored: evaluate it again")
    named = {"name": "metrics.parquet", "sha256": read_json(model, "smoothgates.model")["metrics_sha256"]}
    frame = pd.read_parquet(check_file(named, model.parent))
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
