"""Limits on the cost of judging one answer."""

import math
import re

CPU_SECONDS = 1.0
"""CPU time of the judging process: a loaded machine does not change a verdict."""
WALL_SECONDS = 1.6
"""Wall time after which the kernel kills the judging process."""
REPLY_SECONDS = 1.9
"""Wall time after which the caller kills the whole worker, in case the kernel's timer fails."""
MEMORY_BYTES = 512 << 20
"""Limit on the address space of one process. On macOS, whose kernel has no such limit, a judge with more resident
memory is killed."""
LOOK_SECONDS = 0.02
"""Interval at which a judge's memory is checked on macOS."""
RECYCLE_BYTES = MEMORY_BYTES // 2
"""Resident memory at which a judging process is replaced."""
LONGEST_GOLD = 5000
"""Longest gold, in characters; a longer one is only compared as text."""
LONGEST = 2000
"""Longest answer, in characters. The longest gold of the public sets has 210."""
DEEPEST = 40
"""Deepest nesting of brackets."""
MOST_DIGITS = 200
"""Most digits of one number."""
MOST_PLACES = 20_000
"""Most decimal places of the value of a power."""
FACTORIAL_DIGITS = 4
"""Most digits of the argument of a factorial."""
MOST_TERMS = 300
"""Most commas, ampersands, plus and equals signs together."""

_TOWER = re.compile(r"\d{1,20}(?:\^\{{0,8}\(?\d{1,20}){1,20}")
_LONG_NUMBER = re.compile(rf"\d{{{MOST_DIGITS + 1}}}")
_FACTORIAL_OF_POWER = re.compile(r"\(\d{1,20}\^\{?\d{1,20}\}?\)\s{0,8}!")
_FACTORIAL = re.compile(r"(\d+)[)}\s]{0,8}!")


def too_costly(answer: str) -> bool:
    """Return whether an answer is longer, deeper or larger than any true answer. Such an answer is not judged.

    The time limits would stop it too, but one second for each of many answers adds up to minutes.

    >>> [too_costly(answer) for answer in ("2^{2024}", "\\\\frac{(2n)!}{2^n n!}", "1" * 200, "100!")]
    [False, False, False, False]
    >>> [too_costly(answer) for answer in ("9^9^9^9", "10^{10^{10}}", "(10^6)!", "\\\\frac{" * 50, "1" * 201)]
    [True, True, True, True, True]
    """
    return (
        len(answer) > LONGEST
        or _depth(answer) > DEEPEST
        or sum(answer.count(sign) for sign in ",&+=") > MOST_TERMS
        or _LONG_NUMBER.search(answer) is not None
        or any(len(found) > FACTORIAL_DIGITS for found in _FACTORIAL.findall(answer))
        or any(_places(tower) > MOST_PLACES for tower in _TOWER.findall(answer.replace(" ", "")))
        or _FACTORIAL_OF_POWER.search(answer) is not None
    )


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth = max(depth - 1, 0)
    return deepest


def _places(tower: str) -> float:
    """Return the decimal places of a tower of powers, computed from the top down.

    >>> round(_places("2^{10}"), 1), _places("9^9^9^9")
    (3.0, inf)
    """
    *bases, exponent = (int(number) for number in re.findall(r"\d+", tower))
    for base in reversed(bases[1:]):
        if exponent * math.log10(max(base, 1)) > 18:
            return math.inf
        exponent = base**exponent
    return exponent * math.log10(max(bases[0], 1))
