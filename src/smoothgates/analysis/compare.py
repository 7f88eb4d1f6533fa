"""Compares every method with the reference, paired by seed, within each task, benchmark and regime."""

from dataclasses import replace
from typing import Any

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.analysis.statistics import holm, paired_t_p, sign_flip_p, smallest_p, t_interval

METRICS = ("score", "mean_reward", "drawdown", "mean_kl")
SHARES = ("score", "drawdown")
"""Metrics in [0, 1]. Their intervals are cut to this range."""


def summaries(runs: pd.DataFrame, confidence: float) -> list[dict[str, Any]]:
    """Mean and interval over seeds, one row per task × benchmark × regime × method × metric."""
    rows = []
    for (*cell, method), group in runs.groupby([*CELL, "method"], sort=False):
        group = group.sort_values("seed")
        for metric in METRICS:
            values = group[metric].dropna()
            if len(values):
                noise = mean_sampling_error(group["sampling_error"]) if metric == "score" else 0.0
                interval = t_interval(values.tolist(), confidence, noise)
                if metric in SHARES and interval.low is not None and interval.high is not None:
                    interval = replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))
                rows.append(
                    {
                        **dict(zip(CELL, cell, strict=True)),
                        "method": method,
                        "metric": metric,
                        "mean": interval.mean,
                        "low": interval.low,
                        "high": interval.high,
                        "n": interval.n,
                        "by_seed": dict(zip(group.loc[values.index, "seed"].astype(str), values.tolist(), strict=True)),
                    }
                )
    return rows


def mean_sampling_error(errors: pd.Series) -> float:
    """Mean of the sampling errors. An error is unknown, and counts as 0, if each problem is answered only once."""
    return float(errors.fillna(0.0).mean())


def comparisons(runs: pd.DataFrame, reference: str, confidence: float) -> list[dict[str, Any]]:
    """Method minus reference on the seeds that both have, one row per task × benchmark × regime × method × metric.

    `p` is that of the exact sign-flip test. `holm` is Student's paired p after Holm's correction for the number of
    methods compared. A difference is `established` if both are below 1 − confidence, which is impossible unless
    `smallest_p` is.
    """
    rows = []
    for cell, block in runs.groupby(CELL, sort=False):
        table = block.set_index(["method", "seed"])
        if reference not in table.index.get_level_values("method"):
            continue
        base = table.loc[reference]
        for method in block["method"].unique():
            if method == reference:
                continue
            other = table.loc[method]
            seeds = sorted(set(base.index) & set(other.index))
            for metric in METRICS:
                differences = (other.loc[seeds, metric] - base.loc[seeds, metric]).dropna().tolist()
                if not differences:
                    continue
                errors = (other.loc[seeds, "sampling_error"] ** 2 + base.loc[seeds, "sampling_error"] ** 2) ** 0.5
                noise = mean_sampling_error(errors) if metric == "score" else 0.0
                interval = t_interval(differences, confidence, noise)
                rows.append(
                    {
                        **dict(zip(CELL, cell, strict=True)),
                        "method": method,
                        "reference": reference,
                        "metric": metric,
                        "difference": interval.mean,
                        "low": interval.low,
                        "high": interval.high,
                        "n": interval.n,
                        "by_seed": differences,
                        "p": sign_flip_p(differences),
                        "smallest_p": smallest_p(interval.n),
                        "p_t": paired_t_p(differences, noise),
                    }
                )
    families: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault((*(row[key] for key in CELL), row["metric"]), []).append(row)
    for members in families.values():
        for row, adjusted in zip(members, holm([row["p_t"] for row in members]), strict=True):
            row["holm"] = adjusted
            row["established"] = max(row["p"], adjusted) < 1 - confidence
    return rows
