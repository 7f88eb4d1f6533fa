"""Which checkpoints a run keeps. The trainer follows this, and `plan` counts by it."""

LAST = 2
"""Checkpoints to resume from: the newest, and one to fall back on."""


def in_curve(rollouts: int, every: int) -> bool:
    """Whether a run keeps its policy after this many rollouts for the learning curve."""
    return rollouts > 0 and rollouts % every == 0


def curve_points(rollouts: int, every: int) -> int:
    """Number of policies that a run of this many rollouts keeps before its final one.

    >>> curve_points(16, 4), curve_points(3, 4)
    (3, 0)
    """
    return sum(in_curve(done, every) for done in range(rollouts))
