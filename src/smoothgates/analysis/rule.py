"""The rule from a comparison to a verdict. It knows numbers and words only."""

from dataclasses import dataclass
from typing import Literal

from smoothgates.analysis.statistics import (
    POWER,
    detectable_difference,
    equivalence_bound,
    holm,
    sign_flip_p,
    smallest_p,
    t_interval,
)
from smoothgates.io.text import rounded_up

Kind = Literal["holds", "opposite", "no effect", "cannot tell", "not run"]
KINDS: tuple[Kind, ...] = ("holds", "opposite", "no effect", "cannot tell", "not run")


@dataclass(frozen=True)
class Compared:
    """The effect of a claim's test, seed by seed."""

    effects: tuple[float, ...]
    """In the unit of the metric, at least one."""
    noise: float
    """Their standard error from finite sampling, see `statistics.deviation`."""
    direction: Literal["above", "below"]
    margin: float


@dataclass(frozen=True)
class Judged:
    """A verdict, and the numbers behind it."""

    kind: Kind
    effect: float
    low: float | None
    high: float | None
    n: int
    p: float
    """Of the two-sided sign-flip test, after Holm's correction within the family."""
    smallest_p: float
    """The smallest such p that n seeds can reach in this family."""
    bound: float | None
    """No effect is larger than this, by an equivalence test. None: one seed."""
    detectable: float | None
    """The effect that would be seen at 80 % power. None: these seeds can establish nothing."""


def judge(family: list[Compared], confidence: float) -> list[Judged]:
    """Judge the comparisons of one study together.

    `holds` or `opposite`: p is below 1 − confidence. `no effect`: it is not, and the equivalence bound is no larger
    than the margin. Otherwise `cannot tell`.

    >>> one = Compared((0.10, 0.12, 0.08, 0.11, 0.09, 0.10, 0.13), 0.0, "above", 0.02)
    >>> two = Compared((0.10, -0.12, 0.08, -0.11, 0.09, 0.10, -0.13), 0.0, "above", 0.02)
    >>> [each.kind for each in judge([one, two], 0.95)]
    ['holds', 'cannot tell']
    """
    corrected = holm([sign_flip_p(each.effects) for each in family])
    return [_judge(each, p, len(family), confidence) for each, p in zip(family, corrected, strict=True)]


def _judge(found: Compared, p: float, size: int, confidence: float) -> Judged:
    interval = t_interval(found.effects, confidence, found.noise)
    bound = equivalence_bound(found.effects, confidence, found.noise)
    kind: Kind = "cannot tell"
    if p < 1 - confidence:
        kind = "holds" if (interval.mean > 0) == (found.direction == "above") else "opposite"
    elif bound is not None and bound <= found.margin:
        kind = "no effect"
    return Judged(
        kind=kind,
        effect=interval.mean,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        p=p,
        smallest_p=min(1.0, size * smallest_p(interval.n)),
        bound=bound,
        detectable=detectable_difference(found.effects, confidence, noise=found.noise, family=size),
    )


def wording(judged: Judged, scale: str, unit: str, shown: float) -> str:
    """A verdict in words. It always names the policy's scale, so that none reads as one about another policy.

    `shown` is the factor from the metric to `unit`.

    >>> one = Judged("no effect", 0.001, -0.01, 0.012, 10, 0.4, 0.002, 0.0104, 0.016)
    >>> wording(one, "106k parameters", "points", 100)
    'no effect above 1.1 points at 106k parameters'
    """
    at = f"at {scale}"
    if judged.kind == "no effect" and judged.bound is not None:
        return f"no effect above {rounded_up(judged.bound * shown)} {unit} {at}"
    if judged.kind == "cannot tell":
        if judged.n < 2:
            return f"cannot tell {at} (one seed)"
        if judged.detectable is None:
            return f"cannot tell {at} ({judged.n} seeds can establish nothing in this family)"
        return f"cannot tell {at} (would see {rounded_up(judged.detectable * shown)} {unit} at {100 * POWER:g} % power)"
    return f"{judged.kind} {at}"
