"""How runs ended, beyond the mean of their scores: collapses, wins, and means that ignore the extremes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from smoothgates.analysis.statistics import Interval
from smoothgates.specs.control import CONTROL

COLLAPSE = 0.5
"""A run has collapsed if its final score is below this share of its warm start's, or not finite, or if it diverged."""


def collapsed(runs: pd.DataFrame, starts: dict[tuple[str, str], str]) -> pd.Series:
    """Whether each run has collapsed: 1.0 or 0.0, or NaN for controls and where the warm start's score is missing.

    `starts`: the control that a run starts from, by (task, regime). It is that of the same seed and benchmark.
    """
    keys = ["task", "benchmark", "method", "seed"]
    controls = runs[runs["regime"] == CONTROL].set_index(keys)["score"].to_dict()
    found = []
    for row in runs.itertuples():
        start = controls.get((row.task, row.benchmark, starts.get((row.task, row.regime)), row.seed), np.nan)
        broken = row.status == "diverged" or not np.isfinite(row.score)
        known = row.regime != CONTROL and (broken or np.isfinite(start))
        found.append(float(broken or row.score < COLLAPSE * start) if known else np.nan)
    return pd.Series(found, index=runs.index, dtype=float)


def share_interval(count: int, n: int, confidence: float) -> Interval:
    """The exact interval of a share (Clopper and Pearson), which holds for any n.

    >>> found = share_interval(0, 10, 0.95)
    >>> found.mean, found.low, round(found.high, 3)
    (0.0, 0.0, 0.308)
    """
    low, high = stats.binomtest(count, n).proportion_ci(confidence, method="exact")
    return Interval(count / n, float(low), float(high), n)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half: a quarter of the values, rounded down, is cut at either end.

    >>> interquartile_mean([0.0, 0.7, 0.8, 0.9, 0.8])
    0.7666666666666666
    """
    return float(stats.trim_mean(values, 0.25))


def improvement(values: Sequence[float], reference: Sequence[float]) -> float:
    """Probability that a run of one method ends above a run of the reference, whatever their seeds; ties count half.

    As in "Deep RL at the Edge of the Statistical Precipice" (2108.13264).

    >>> improvement([0.2, 0.8, 0.9], [0.5, 0.6, 0.8])
    0.6111111111111112
    """
    return float((1 + np.sign(np.subtract.outer(np.array(values), np.array(reference)))).mean() / 2)
