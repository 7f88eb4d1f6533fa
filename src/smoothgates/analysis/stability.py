"""Summarises the course of a run, which the score of its last checkpoint does not show."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

SPIKE = 5.0
"""A gradient norm above this many times the run's median is a spike; so is one that is not finite."""


def stability(metrics: pd.DataFrame) -> dict[str, float]:
    """Summary of a run's metrics, one row per update. `mean_reward` is the area under the curve of rewards."""
    updates = metrics[metrics["clamped"].notna()]  # a rollout without an update has a row too
    spikes = spike_share(updates["grad_norm"].tolist())
    metrics = metrics.replace([np.inf, -np.inf], np.nan)
    rollouts = metrics.groupby("rollout")[["reward", "correct"]].first()
    return {
        "mean_reward": rollouts["reward"].mean(),
        "drawdown": drawdown(rollouts["correct"].tolist()),
        "mean_kl": metrics["kl"].mean(),
        "mean_eur": metrics["eur"].mean(),
        "max_grad_norm": metrics["grad_norm"].max(),
        "grad_spikes": spikes,
        "max_log_ratio": metrics["log_ratio_max"].max(),
        "clamped": metrics["clamped"].mean(),
        "max_sampler_gap": metrics["sampler_gap"].max(),
    }


def drawdown(shares: Sequence[float], window: int = 3) -> float:
    """Largest fall below the running maximum, in the moving mean of a run's shares of correct answers.

    It also shows a collapse from which the run has recovered by its end.

    >>> drawdown([0.2, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.9])
    0.6000000000000001
    """
    means = [math.fsum(shares[i : i + window]) / window for i in range(len(shares) - window + 1)]
    peak, worst = -math.inf, 0.0
    for mean in means:
        peak = max(peak, mean)
        worst = max(worst, peak - mean)
    return worst


def spike_share(norms: Sequence[float]) -> float:
    """Share of gradient norms that are spikes, see `SPIKE`. NaN if there are none.

    >>> spike_share([1.0, 1.1, 0.9, 1.0, 9.0, float("nan"), 1.2, 1.0])
    0.25
    """
    if not len(norms):
        return math.nan
    values = np.array(norms, dtype=float)
    finite = values[np.isfinite(values)]
    limit = SPIKE * float(np.median(finite)) if len(finite) else 0.0
    return float((~(values <= limit)).mean())
