"""Summarises the course of a run, which the score of its last checkpoint does not show."""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

USED = ("rollout", "reward", "correct", "kl", "eur", "grad_norm", "log_ratio_max", "clamped", "sampler_gap")
"""Columns that the summary needs."""
SPIKE = 5.0
"""A gradient norm above this many times the run's median is a spike; so is one that is not finite."""


def stability(metrics: pa.Table) -> dict[str, float]:
    """Summary of a run's metrics, one row per update. `mean_reward` is the area under the curve of rewards."""
    column = {name: metrics[name].to_numpy() for name in USED}  # arrays take a tenth of the time of a frame
    updated = ~np.isnan(column["clamped"])  # a rollout without an update has a row too
    _, first = np.unique(column["rollout"], return_index=True)
    return {
        "mean_reward": mean(column["reward"][first]),
        "drawdown": drawdown(column["correct"][first].tolist()),
        "mean_kl": mean(column["kl"]),
        "mean_eur": mean(column["eur"]),
        "max_grad_norm": largest(column["grad_norm"]),
        "grad_spikes": spike_share(column["grad_norm"][updated].tolist()),
        "max_log_ratio": largest(column["log_ratio_max"]),
        "clamped": mean(column["clamped"]),
        "max_sampler_gap": largest(column["sampler_gap"]),
    }


def mean(values: NDArray[np.float64]) -> float:
    """Mean of the finite values. NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def largest(values: NDArray[np.float64]) -> float:
    """Largest of the finite values. NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else math.nan


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
