"""What claims are tested on: numbers that summarise one run, each by its name in config/claims.yaml."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

Measured = Callable[[pd.Series, pd.DataFrame], float]
"""From the row of a run's final scores and its updates, one row each, to a number. NaN if it has none."""


@dataclass(frozen=True)
class Measure:
    """A number that summarises one run."""

    unit: str
    """Of the number after multiplication by `shown`."""
    of: Measured
    score: str = ""
    """The column of the scores that it needs, if any."""
    columns: tuple[str, ...] = ()
    """The columns of the updates that it needs. Where a run lacks one, the measure is not logged."""
    shown: float = 1.0
    """Factor for display."""


def from_scores(column: str, unit: str, shown: float = 1.0) -> Measure:
    """A column of the final scores."""
    return Measure(unit, lambda final, _: float(final[column]), score=column, shown=shown)


def mean_over_updates(column: str, unit: str, shown: float = 1.0) -> Measure:
    """The mean of a metric over the updates of a run."""
    return Measure(unit, lambda _, updates: float(updates[column].mean()), columns=(column,), shown=shown)


def quarters(values: pd.Series) -> tuple[float, float]:
    """Means of the first and of the last quarter of the values, of at least one value each."""
    values = values.dropna()
    count = max(1, len(values) // 4)
    return (float(values.iloc[:count].mean()), float(values.iloc[-count:].mean())) if len(values) else (math.nan,) * 2


def by_rollout(updates: pd.DataFrame, column: str) -> pd.Series:
    """A metric of the rollouts, which all updates on a rollout repeat."""
    return updates.groupby("rollout")[column].first()


def last_reward(_: pd.Series, updates: pd.DataFrame) -> float:
    """Mean reward in the last quarter of the rollouts."""
    return quarters(by_rollout(updates, "reward"))[1]


def last_entropy(_: pd.Series, updates: pd.DataFrame) -> float:
    """Entropy of the policy in the last quarter of the rollouts, in nats."""
    return quarters(by_rollout(updates, "entropy"))[1]


def entropy_change(_: pd.Series, updates: pd.DataFrame) -> float:
    """The same, minus that of the first quarter."""
    first, last = quarters(by_rollout(updates, "entropy"))
    return last - first


def entropy_eur_correlation(_: pd.Series, updates: pd.DataFrame) -> float:
    """Pearson's over rollouts; NaN for fewer than three, and if one of the two is constant."""
    pairs = updates.groupby("rollout")[["entropy", "eur_by_prompt"]].mean().dropna()
    if len(pairs) < 3 or (pairs.std() == 0).any():
        return math.nan
    return float(np.corrcoef(pairs.to_numpy(), rowvar=False)[0, 1])


def grad_norm_jumps(_: pd.Series, updates: pd.DataFrame) -> float:
    """Mean |Δ log| of the gradient norm from one update to the next."""
    norms = updates["grad_norm"].replace([np.inf, -np.inf, 0], np.nan).dropna()
    return float(np.abs(np.diff(np.log(norms))).mean()) if len(norms) > 1 else math.nan


def log_ratio_reach(_: pd.Series, updates: pd.DataFrame) -> float:
    """The |log r| that at least nine tenths of the tokens stay within, mean over updates."""
    ends = updates[["log_ratio_q05", "log_ratio_q95"]].abs().max(axis=1)
    return float(ends.mean())


def rollouts_to_format(_: pd.Series, updates: pd.DataFrame) -> float:
    """Rollouts until half of the best format reward."""
    rewards = by_rollout(updates, "format_reward")
    half = rewards[rewards >= rewards.max() / 2]
    return float(half.index[0]) if len(half) else math.nan


MEASURES: dict[str, Measure] = {
    "score": from_scores("score", "points", 100),
    "drawdown": from_scores("drawdown", "points", 100),
    "eur": mean_over_updates("eur_by_prompt", "points", 100),
    "last_reward": Measure("reward", last_reward, columns=("rollout", "reward")),
    "attenuated": mean_over_updates("attenuated", "points", 100),
    "last_entropy": Measure("nats", last_entropy, columns=("rollout", "entropy")),
    "entropy_change": Measure("nats", entropy_change, columns=("rollout", "entropy")),
    "entropy_eur_correlation": Measure(
        "correlation", entropy_eur_correlation, columns=("rollout", "entropy", "eur_by_prompt")
    ),
    "grad_norm_jumps": Measure("nats", grad_norm_jumps, columns=("grad_norm",)),
    "log_ratio_reach": Measure("nats", log_ratio_reach, columns=("log_ratio_q05", "log_ratio_q95")),
    "routing_churn": mean_over_updates("routing_churn", "points", 100),
    "sequence_variance": mean_over_updates("sequence_variance", "nats²"),
    "rollouts_to_format": Measure("rollouts", rollouts_to_format, columns=("rollout", "format_reward")),
}
"""By name; docs/claims.md says what each is."""
