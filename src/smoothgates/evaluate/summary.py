"""The summary of a file of verdicts, for people. `cli` prints it, so that a change here makes no verdict stale."""

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist
from typing import get_args

from smoothgates.tasks.task import Reason

CONFIDENCE = 0.95


def summary(reasons: Mapping[str, int]) -> str:
    """The accuracy of verdicts with an interval, and how many have each reason. Empty without verdicts.

    >>> print(summary({"correct": 3, "timeout": 1, "wrong": 6}))
    accuracy 30.0 %, 95 % interval 10.8 to 60.3 % (Wilson), n = 10
    correct 3, wrong 6, timeout 1
    """
    if not (n := sum(reasons.values())):
        return ""
    right = reasons.get("correct", 0)
    low, high = wilson(right, n)
    counts = ", ".join(f"{reason} {reasons[reason]}" for reason in get_args(Reason) if reasons.get(reason))
    interval = f"{100 * CONFIDENCE:g} % interval {100 * low:.1f} to {100 * high:.1f} % (Wilson)"
    return f"accuracy {100 * right / n:.1f} %, {interval}, n = {n:,}\n{counts}"


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a share, for problems drawn independently. It needs no scipy, which `score` may not have.

    >>> [round(end, 3) for end in wilson(0, 10)]
    [0.0, 0.278]
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, spread = count / n, z * sqrt(count * (n - count) / n + z * z / 4) / (n + z * z)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    return max(0.0, middle - spread), min(1.0, middle + spread)
