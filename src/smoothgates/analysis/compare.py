"""Every method against the reference, paired by seed, within each task, benchmark and regime."""

from dataclasses import replace
from typing import Any

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.analysis.statistics import holm, paired_t_p, sign_flip_p, smallest_p, t_interval

METRICS = ("score", "mean_reward", "drawdown", "mean_kl")
SHARES = ("score", "drawdown")
"""Metrics that lie in [0, 1], and so do the ends of their intervals."""


def summaries(runs: pd.DataFrame, confidence: float) -> list[dict[str, Any]]:
    """Mean and interval over seeds of each metric, one row for each task × benchmark × regime × method × metric."""
    rows = []
    for (*cell, method), group in runs.groupby([*CELL, "method"], sort=False):
        group = group.sort_values("seed")
        for metric in METRICS:
            values = group[metric].dropna()
            if len(values):
                noise = known(group["sampling_error"]) if metric == "score" else 0.0
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


def known(errors: pd.Series) -> float:
    """Mean sampling error; 0 where problems are answered once, which does not tell it."""
    return float(errors.fillna(0.0).mean())


def comparisons(runs: pd.DataFrame, reference: str, confidence: float) -> list[dict[str, Any]]:
    """Method minus reference on the seeds that both have, for each task × benchmark × regime × metric.

    `p` is the exact sign-flip test; `holm` Student's paired p, corrected for the number of methods compared.
    `established` needs both below 1 − confidence. Where `smallest_p` is above that, nothing can be established.
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
                noise = known(errors) if metric == "score" else 0.0
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
