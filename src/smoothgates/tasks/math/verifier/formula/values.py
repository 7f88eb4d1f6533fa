"""Whether two terms have the same value: numbers exactly, expressions at random rational points."""

import hashlib
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import count

from flint import fmpq

from smoothgates.tasks.math.verifier.formula.balls import agree, sign
from smoothgates.tasks.math.verifier.formula.nodes import Node
from smoothgates.tasks.math.verifier.formula.rationals import Inexact, Undefined, exact, names
from smoothgates.tasks.math.verifier.notation import ROUNDED, rounds_to, step

POINTS = 5
"""Random points at which two expressions must agree."""
FAR = (2, 3)
"""Indices of the points far from zero, over a large prime: |x + 1000| ≠ x + 1000 at one, and no sin πkx vanishes."""
TRIED = 40
"""Most points to try: expressions are not defined everywhere."""


def same_value(gold: Node, answer: Node) -> bool:
    """Return whether two terms have the same value, and the same variables."""
    if gold == answer and _defined(gold):
        return True
    ours, theirs = names(gold), names(answer)
    if ours != theirs:
        return False
    if not ours:
        return _rounded(gold, answer) or agree(gold, answer, {}) is True
    agreed = 0
    enough = TRIED if _in_whole_numbers(gold, answer) else POINTS
    for point in points(gold, answer):
        verdict = agree(gold, answer, point)
        if verdict is False:
            return False
        agreed += verdict is True
        if agreed == enough:
            return True
    return agreed >= POINTS - 2


def _defined(node: Node) -> bool:
    """Return whether no part of a node is infinite, and a number without variables is defined."""
    if _mentions(node, "inf"):
        return False
    return bool(names(node)) or agree(node, node, {}) is True


def _mentions(node: Node, kind: str) -> bool:
    return node[0] == kind or any(_mentions(part, kind) for part in node[1:] if isinstance(part, tuple) and part)


_WHOLE_NAMES = re.compile(r"[i-nN](?:_\w+)?")
_STEPPED = ("floor", "ceil", "gcd", "lcm")


def points(a: Node, b: Node) -> Iterator[dict[str, fmpq]]:
    """Yield points that depend on the two trees alone, of both signs, large and small.

    They are whole numbers if n or a similar name is inside a floor. The last dozen always are: (−1)ⁿ needs them.
    """
    variables = sorted(names(a))
    seed = hashlib.sha256(repr((a, b)).encode()).digest()
    whole = _in_whole_numbers(a, b)
    draw = (int.from_bytes(hashlib.sha256(seed + i.to_bytes(4, "big")).digest()[:8], "big") for i in count())
    for i in range(TRIED):
        point = {}
        for name in variables:
            bits = next(draw)
            if whole and len(variables) == 1 and i < TRIED // 2:
                point[name] = fmpq(i)
                continue
            if whole or i >= TRIED - 12:
                point[name] = fmpq(1 + bits % (9, 25, 1000)[i % 3])
                continue
            if i in FAR:
                point[name] = fmpq((1 if i == FAR[0] else -1) * (10**8 + bits % 10**8), 10007)
                continue
            side = 1 if i == 0 or i % 4 == 2 else -1 if i == 1 else 1 - 2 * (bits & 1)
            above, below = 1 + (bits >> 1) % 97, 1 + (bits >> 20) % 89
            low = i % 8 >= 4
            point[name] = fmpq(side * (min(above, below) if low else above), max(above, below) + 1 if low else below)
        yield point


def _in_whole_numbers(a: Node, b: Node) -> bool:
    return (_stepped(a) or _stepped(b)) and all(map(_WHOLE_NAMES.fullmatch, names(a) | names(b)))


def _stepped(node: Node) -> bool:
    if node[0] == "fn" and node[1] in _STEPPED and names(node):
        return True
    return any(_stepped(part) for part in node[1:] if isinstance(part, tuple) and part)


def _rounded(gold: Node, answer: Node) -> bool:
    """Return whether one is a long decimal that the other rounds to (`rounds_to`)."""
    ours, theirs = _decimal(gold), _decimal(answer)
    if ours and theirs:
        return rounds_to(*ours, *theirs) or rounds_to(*theirs, *ours)
    if not (decimal := ours or theirs) or decimal[1] < ROUNDED or not decimal[0]:
        return False
    value, half = decimal[0], step(*decimal) / 2
    node = answer if ours else gold
    return not _integral(node) and sign(("add", node, _num(half - value))) == 1 == sign(
        ("add", _num(value + half), ("neg", node))
    )


def _integral(node: Node) -> bool:
    try:
        return exact(node, {}).q == 1
    except (Inexact, Undefined):
        return False


def _num(value: Fraction) -> Node:
    return ("num", value, None)


def _decimal(node: Node) -> tuple[Fraction, int] | None:
    """Return value and digits of a decimal, or of a decimal times a power of ten; None for other nodes."""
    match node:
        case ("num", value, int(digits)):
            return value, digits
        case ("neg", a) if (found := _decimal(a)) is not None:
            return -found[0], found[1]
        case ("mul", a, ("pow", ("num", ten, _), power)) if ten == 10 and (found := _decimal(a)) is not None:
            try:
                exponent = exact(power, {})
            except (Inexact, Undefined):
                return None
            if exponent.q == 1 and abs(exponent.p) < 400:
                return found[0] * Fraction(10) ** int(exponent.p), found[1]
    return None


def proportional(a: Node, b: Node, positive: bool) -> bool:
    """Return whether b is a constant multiple of a, by their values at random points. `positive`: by a positive one."""
    if names(a) != names(b) or not names(a):
        return False
    tried = points(a, b)
    base = next(tried)
    a_there, b_there = _substituted(a, base), _substituted(b, base)
    agreed = 0
    for point in tried:
        verdict = agree(("mul", a, b_there), ("mul", b, a_there), point)
        if verdict is False:
            return False
        agreed += verdict is True
        if agreed == POINTS:
            break
    if agreed < POINTS - 2:
        return False
    ratio = sign(("div", a_there, b_there))
    return ratio == 1 if positive else ratio != 0


def _substituted(node, point):
    if not isinstance(node, tuple) or not node:
        return node
    key = node[1] if node[0] == "name" else repr(node) if node[0] == "call" else None
    if key in point:
        return ("num", Fraction(int(point[key].p), int(point[key].q)), None)
    return tuple(_substituted(part, point) for part in node)
