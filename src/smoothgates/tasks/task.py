"""What a task is: problems, two ways to demonstrate an answer, and a verdict on a completion."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """A question, its answer, and a worked solution that ends with the answer."""

    question: str
    answer: str
    careful: str


@dataclass(frozen=True)
class Verdict:
    """What a completion is worth, and why."""

    reward: float
    extracted: str | None
    """The answer found in the completion."""
    reason: Literal["correct", "wrong", "unparsable", "truncated"]


@dataclass(frozen=True)
class Task:
    """One domain of the laptop study."""

    name: str
    generate: Callable[[Random], Iterator[Problem]]
    """Endless problems, repetitions included."""
    hasty: Callable[[Problem, Random], str]
    """A demonstration that skips the reasoning and guesses."""
    verify: Callable[[str, Problem, bool], Verdict]
    """Verdict on a completion's text; the flag says that it was cut off before its end."""
