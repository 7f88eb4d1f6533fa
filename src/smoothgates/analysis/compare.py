"""Compares every method with the reference, paired by seed, within each task, benchmark and regime."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smoothgates.analysis.bootstrap import hierarchical_interval
from smoothgates.analysis.collect import CELL
from smoothgates.analysis.outcomes import improvement, interquartile_mean, share_interval
from smoothgates.analysis.statistics import (
    Interval,
    detectable_difference,
    equivalence_bound,
    holm,
    sign_flip_p,
    smallest_p,
    t_interval,
)

METRICS = ("score", "mean_reward", "drawdown", "mean_kl", "mean_eur", "grad_spikes")
SHARES = ("score", "drawdown", "grad_spikes")
"""Metrics in [0, 1]. Their intervals are cut to this range, and those of their differences to [−1, 1]."""

ByProblem = Mapping[tuple[Any, ...], NDArray[np.float64]]
"""Share of correct samples for each problem, by task, benchmark, regime, method and seed."""


def summaries(runs: pd.DataFrame, confidence: float) -> list[dict[str, Any]]:
    """Mean, interval, median and interquartile mean over seeds.

    One row per task × benchmark × regime × method × metric. Rows of the metric `score` also count the runs that have
    collapsed, if `runs` has the column `collapsed`.
    """
    rows = []
    for (*cell, method), group in runs.groupby([*CELL, "method"], sort=False):
        group = group.sort_values("seed")
        for metric in measured(group):
            values = group[metric].dropna()
            if len(values):
                noise = mean_sampling_error(group["sampling_error"]) if metric == "score" else 0.0
                interval = cut(t_interval(values.tolist(), confidence, noise), metric, 0.0)
                rows.append(
                    {
                        **dict(zip(CELL, cell, strict=True)),
                        "method": method,
                        "metric": metric,
                        "mean": interval.mean,
                        "low": interval.low,
                        "high": interval.high,
                        "n": interval.n,
                        "median": float(values.median()),
                        "iqm": interquartile_mean(values.tolist()),
                        "by_seed": dict(zip(group.loc[values.index, "seed"].astype(str), values.tolist(), strict=True)),
                        **(collapses(group, confidence) if metric == "score" else {}),
                    }
                )
    return rows


def collapses(group: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """How many runs have collapsed, of how many, and the exact interval of their share; empty if none is known."""
    known = group["collapsed"].dropna() if "collapsed" in group else []
    if not len(known):
        return {}
    found = share_interval(int(sum(known)), len(known), confidence)
    return {"collapsed": int(sum(known)), "of": found.n, "collapse_low": found.low, "collapse_high": found.high}


def measured(runs: pd.DataFrame) -> list[str]:
    """The metrics that these runs have."""
    return [metric for metric in METRICS if metric in runs]


def mean_sampling_error(errors: pd.Series) -> float:
    """Mean of the sampling errors. An error is unknown, and counts as 0, if each problem is answered only once."""
    return float(errors.fillna(0.0).mean())


def cut(interval: Interval, metric: str, lowest: float) -> Interval:
    """The interval of a share cut to [`lowest`, 1]; that of another metric as it is."""
    if metric not in SHARES or interval.low is None or interval.high is None:
        return interval
    return replace(interval, low=max(lowest, interval.low), high=min(1.0, interval.high))


def comparisons(
    runs: pd.DataFrame, reference: str, confidence: float, by_problem: ByProblem | None = None
) -> list[dict[str, Any]]:
    """Method minus reference on the seeds that both have, one row per task × benchmark × regime × method × metric.

    `p` is that of the exact sign-flip test, and `holm` the same p after Holm's correction for its `family`: all methods
    compared in a task, benchmark and regime by one metric. A difference is `established` if `holm` is below
    1 − confidence. `smallest_holm` is the least that n seeds can give the family: if it is not below 1 − confidence,
    the family is too large for the seeds, and nothing can be established. `bound`, `detectable`: see
    `equivalence_bound` and `detectable_difference`; None if no share can be so far apart. `hierarchical_low` and
    `…_high`, for scores: see `hierarchical_interval`.
    """
    rows = []
    for cell, block in runs.groupby(CELL, sort=False):
        if reference not in set(block["method"]):
            continue
        methods = [method for method in block["method"].unique() if method != reference]
        metrics = measured(block)
        by_seed = block.pivot(index="seed", columns="method", values=[*metrics, "sampling_error"])
        squares = by_seed["sampling_error"] ** 2
        noises = squares.add(squares[reference], axis=0) ** 0.5
        for metric in metrics:
            values = by_seed[metric]
            paired = {method: (values[method] - values[reference]).dropna() for method in methods}
            family = {method: differences for method, differences in paired.items() if len(differences)}
            tested = [sign_flip_p(differences.tolist()) for differences in family.values()]
            for (method, differences), p, adjusted in zip(family.items(), tested, holm(tested), strict=True):
                noise = mean_sampling_error(noises.loc[differences.index, method]) if metric == "score" else 0.0
                row = {**dict(zip(CELL, cell, strict=True)), "method": method, "reference": reference, "metric": metric}
                row |= estimates(differences.tolist(), metric, confidence, noise, len(family))
                row |= {"p": p, "holm": adjusted, "established": adjusted < 1 - confidence}
                if metric == "score":
                    row["improvement"] = improvement(values[method].dropna(), values[reference].dropna())
                    if by_problem is not None:
                        arms = [(*cell, method), (*cell, reference)]
                        row |= for_other_problems(arms, list(differences.index), by_problem, confidence)
                rows.append(row)
    return rows


def estimates(
    differences: list[float], metric: str, confidence: float, noise: float, family: int
) -> dict[str, float | list[float] | None]:
    """What n differences say about their mean, and what they cannot."""
    interval = cut(t_interval(differences, confidence, noise), metric, -1.0)
    bound = equivalence_bound(differences, confidence, noise)
    detectable = detectable_difference(differences, confidence, noise=noise, family=family)
    if metric in SHARES:
        bound = None if bound is None else min(1.0, bound)
        detectable = None if detectable is None or detectable > 1 else detectable
    return {
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "by_seed": differences,
        "bound": bound,
        "detectable": detectable,
        "smallest_p": smallest_p(interval.n),
        "family": family,
        "smallest_holm": min(1.0, family * smallest_p(interval.n)),
    }


def for_other_problems(
    arms: list[tuple[Any, ...]], seeds: list[int], by_problem: ByProblem, confidence: float
) -> dict[str, float]:
    """The ends of `hierarchical_interval` for the difference of two arms; empty for a single seed."""
    one, other = ([by_problem[*arm, seed] for seed in seeds] for arm in arms)
    interval = hierarchical_interval(np.array(one) - np.array(other), confidence)
    return {} if interval is None else dict(zip(("hierarchical_low", "hierarchical_high"), interval, strict=True))


def too_large(rows: list[dict[str, Any]], confidence: float) -> list[str]:
    """One line for each size of a family of scores that is too large for its seeds to establish anything."""
    cells: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        if row["metric"] == "score" and not row["smallest_holm"] < 1 - confidence:
            named = cells.setdefault((row["family"], row["n"]), [])
            if (cell := "/".join(str(row[key]) for key in CELL)) not in named:
                named.append(cell)
    return [
        f"{', '.join(named)}: nothing can be established: the smallest p with Holm's correction, {family} × 2/2^{n}"
        f" (number of comparisons {family}, of seeds {n}), is not below {1 - confidence:.2g}"
        for (family, n), named in cells.items()
    ]
