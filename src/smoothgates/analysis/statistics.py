"""Statistics for few seeds: exact tests, t intervals, and what n pairs can and cannot show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval. The ends are None for a single value, whose spread is unknown."""

    mean: float
    low: float | None
    high: float | None
    n: int


def deviation(values: Sequence[float], noise: float = 0.0) -> float:
    """Standard deviation of independent values, at least `noise`: their standard error from finite sampling.

    With three seeds, a spread far below the noise is chance. An interval that used it would be too short.
    """
    mean = math.fsum(values) / len(values)
    return max(noise, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)))


@lru_cache
def student(share: float, freedom: int) -> float:
    """The quantile of Student's distribution below which this share lies."""
    return float(stats.t.ppf(share, freedom))


def t_interval(values: Sequence[float], confidence: float, noise: float = 0.0) -> Interval:
    """Student's interval for the mean of independent values (here: seeds).

    >>> found = t_interval([0.1, 0.2, 0.3], 0.95)
    >>> round(found.mean, 4), round(found.low, 4), round(found.high, 4)
    (0.2, -0.0484, 0.4484)
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Interval(mean, None, None, n)
    half = student((1 + confidence) / 2, n - 1) * deviation(values, noise) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


MOST_EXACT = 40
"""The most differences for which `sign_flip_p` is exact: 2^20 sums for each half."""


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of paired differences: the share of sign patterns whose mean is at least as extreme.

    It is exact for up to 40 differences: pairs of sums over both halves are counted, in the time of 2^(n/2) patterns
    instead of 2^n. For more, the sum of a random pattern is taken as normal.

    >>> sign_flip_p([0.1, 0.2, 0.3])
    0.25
    """
    if len(differences) > MOST_EXACT and any(differences):
        return math.erfc(abs(math.fsum(differences)) / math.sqrt(2 * math.fsum(d * d for d in differences)))
    half = len(differences) // 2
    left, right = (np.sort(signed_sums(part)) for part in (differences[:half], differences[half:]))
    # Sums that differ by rounding only are equal.
    limit = abs(math.fsum(differences)) - 1e-12 * math.fsum(map(abs, differences))
    if limit <= 0:
        return 1.0
    above = len(right) - np.searchsorted(right, limit - left, side="left")  # as many are below −limit
    return float(2 * above.sum() / (len(left) * len(right)))


def signed_sums(values: Sequence[float]) -> NDArray[np.float64]:
    """Sums of n values with each of the 2ⁿ patterns of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by Holm's step-down method.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def smallest_p(n: int) -> float:
    """The smallest p that `sign_flip_p` can give with n pairs: 2/2ⁿ. With three seeds, 0.25.

    >>> [smallest_p(n) for n in (1, 3, 6)]
    [1.0, 0.25, 0.03125]
    """
    return 2 * 0.5**n


def equivalence_bound(differences: Sequence[float], confidence: float, noise: float = 0.0) -> float | None:
    """The bound X of "no difference above X": the true mean of paired differences is within ±X at this confidence.

    X is the smallest bound for which both one-sided Student tests (TOST) reject a true difference of X or more, in the
    unit of the differences. The largest bound of several methods holds for all of them together, without correction.
    `noise`: as in `deviation`. None for fewer than two differences, whose spread is unknown.

    >>> round(equivalence_bound([0.01, 0.00, -0.01, 0.02], 0.95), 4)
    0.0202
    """
    n = len(differences)
    if n < 2:
        return None
    margin = student(confidence, n - 1) * deviation(differences, noise) / math.sqrt(n)
    return abs(math.fsum(differences) / n) + margin


POWER = 0.8
"""The power at which this project says what a study would see."""


def detectable_difference(
    differences: Sequence[float], confidence: float, power: float = POWER, noise: float = 0.0, family: int = 1
) -> float | None:
    """The true mean difference that a repetition of the study would establish with probability `power`.

    Established means: p of `sign_flip_p` below (1 − confidence)/`family`. The spread of the differences is known from
    these n alone, which the result allows for. `noise`: as in `deviation`. None if n pairs can never reach such a p, or
    are fewer than two.

    >>> detectable_difference([0.01, 0.02, -0.01], 0.95) is None
    True
    >>> round(detectable_difference([0.01, 0.00, -0.01, 0.02, 0.01, -0.02, 0.00, 0.01], 0.95), 3)
    0.017
    """
    n = len(differences)
    factor = detectable_deviations(n, (1 - confidence) / family, power) if n > 1 else None
    return None if factor is None else factor * deviation(differences, noise)


STUDIES = 2000
"""Simulated studies behind `detectable_deviations`."""
MOST_PATTERNS = 14
"""The most pairs whose sign patterns are all looked at; for more, Student's test has nearly the same power."""


@lru_cache
def detectable_deviations(n: int, level: float, power: float) -> float | None:
    """The effect that n ≥ 2 normal differences show at `level` with this power, in estimated standard deviations.

    An effect δ moves each difference from z to z + δ. The one-sided p is the share of sets of pairs, the empty one
    included, with a sum of at most 0 (turn their signs: the total does not fall). So p is below `level` if δ is above
    all but a few of −mean(z) of the sets. None if even the smallest p is not below `level`.
    """
    allowed = math.ceil(level * 2 ** (n - 1)) - 1  # sets, the empty one included
    if allowed < 1:
        return None
    generator = np.random.default_rng(0)
    z = generator.standard_normal((STUDIES, n))
    if n <= MOST_PATTERNS:
        needed = np.concatenate([nth_largest_of_means(-part, allowed) for part in np.array_split(z, 20)])
    else:
        needed = float(stats.t.isf(level / 2, n - 1)) * z.std(1, ddof=1) / math.sqrt(n) - z.mean(1)
    estimated = np.sqrt(generator.chisquare(n - 1, STUDIES) / (n - 1))  # by another study of the same size
    return float(np.quantile(needed / estimated, power))


def nth_largest_of_means(values: NDArray[np.float64], nth: int) -> NDArray[np.float64]:
    """The `nth` largest mean of a non-empty set of columns, for each row."""
    sums, counts = np.zeros((len(values), 1)), np.zeros(1)
    for column in values.T:
        sums = np.concatenate([sums, sums + column[:, None]], axis=1)
        counts = np.concatenate([counts, counts + 1])
    return -np.partition(-sums[:, 1:] / counts[1:], nth - 1, axis=1)[:, nth - 1]
