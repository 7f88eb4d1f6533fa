"""What judging one answer may cost."""

import math
import re

CPU_SECONDS = 1.0
"""Of the judging process, so that a loaded machine does not turn right into wrong."""
WALL_SECONDS = 1.6
"""After which the judging process is killed."""
REPLY_SECONDS = 1.9
"""After which the caller gives up on a whole worker, should the kernel's clock have failed."""
MEMORY_BYTES = 512 << 20
"""Address space of one process, hence more than it can ever hold. On macOS, whose kernel does not bound it: main memory
above which a judge is killed."""
LOOK_SECONDS = 0.02
"""Seconds between two looks at a judge's memory, on macOS."""
FAT_BYTES = MEMORY_BYTES // 2
"""Resident memory at which a process makes way for a fresh one."""
LONGEST_GOLD = 5000
"""Characters of a gold that is compared otherwise than as text."""
LONGEST = 2000
"""Characters of an answer; the longest gold of the public sets has 210."""
DEEPEST = 40
"""Open brackets at once."""
MOST_DIGITS = 200
"""Of one number."""
MOST_PLACES = 20_000
"""Of the value of a power."""
FACTORIAL_DIGITS = 4
"""Of a number that a factorial is taken of."""
MOST_TERMS = 300
"""Commas, ampersands, plus and equals signs."""

_TOWER = re.compile(r"\d{1,20}(?:\^\{{0,8}\(?\d{1,20}){1,20}")
_LONG_NUMBER = re.compile(rf"\d{{{MOST_DIGITS + 1}}}")
_FACTORIAL_OF_POWER = re.compile(r"\(\d{1,20}\^\{?\d{1,20}\}?\)\s{0,8}!")
_FACTORIAL = re.compile(r"(\d+)[)}\s]{0,8}!")


def too_costly(answer: str) -> bool:
    """Whether an answer is not worth starting on: longer, deeper or larger than any true answer.

    The clocks would stop it too, but a second of clock for each of a batch of a hundred is minutes.

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
    """Decimal places of a tower of powers, from the top down.

    >>> round(_places("2^{10}"), 1), _places("9^9^9^9")
    (3.0, inf)
    """
    *bases, exponent = (int(number) for number in re.findall(r"\d+", tower))
    for base in reversed(bases[1:]):
        if exponent * math.log10(max(base, 1)) > 18:
            return math.inf
        exponent = base**exponent
    return exponent * math.log10(max(bases[0], 1))
