"""Exact values of rational trees. Infinite and undefined values raise Undefined, so that they equal nothing."""

from collections.abc import Mapping

from flint import fmpq, fmpz

from smoothgates.tasks.math.verifier.formula.budget import budget
from smoothgates.tasks.math.verifier.formula.nodes import Node

MOST_BITS = 200_000
"""Longest numerator or denominator to compute exactly; balls.py computes with longer ones."""
MOST_TERMS = 1000
"""Most terms of a sum or product."""

Point = Mapping[str, fmpq]
"""A value for each variable."""


class Undefined(ArithmeticError):
    """The tree has no finite value, or none is known."""


class Inexact(ArithmeticError):
    """The value is not rational, or too long."""


def names(node: Node) -> frozenset[str]:
    """Return the variables of a tree. A call with its arguments is one variable.

    >>> sorted(names(("add", ("name", "x"), ("sum", "k", ("name", "a"), ("name", "n"), ("name", "k")))))
    ['a', 'n', 'x']
    """
    if node[0] == "name":
        return frozenset([node[1]])
    if node[0] == "call":
        return frozenset([called(node)])
    found = frozenset().union(*(names(part) for part in node[1:] if isinstance(part, tuple) and part))
    return found - {node[1]} if node[0] in ("sum", "prod") else found


def called(node: Node) -> str:
    """Return the variable that stands for a call with its arguments."""
    return repr(node)


def exact(node: Node, at: Point) -> fmpq:
    """Return the rational value. Raises Inexact if there is none, Undefined for a division by zero."""
    budget.spend(1)
    match node:
        case ("num", value, _):
            return fmpq(value.numerator, value.denominator)
        case ("name", name) if name in at:
            return at[name]
        case ("call", *_) if called(node) in at:
            return at[called(node)]
        case ("neg", a):
            return -exact(a, at)
        case ("add", a, b):
            return _short(exact(a, at) + exact(b, at))
        case ("mul", a, b):
            return _short(exact(a, at) * exact(b, at))
        case ("div", a, b):
            above, below = exact(a, at), exact(b, at)
            if not below:
                raise Undefined
            return _short(above / below)
        case ("pow", a, b):
            return _exact_power(exact(a, at), exact(b, at))
        case ("unit", a, "%"):
            return exact(a, at) / 100
        case ("fn", name, *arguments):
            return _exact_function(name, [exact(argument, at) for argument in arguments])
        case ("sum" | "prod", *_):
            found = fmpq(node[0] == "prod")
            for point in indices(node, at):
                term = exact(node[4], point)
                found = _short(found + term if node[0] == "sum" else found * term)
            return found
    raise Inexact


def _exact_power(base: fmpq, exponent: fmpq) -> fmpq:
    if exponent.q != 1:
        raise Inexact
    power = int(exponent.p)
    if not base and power <= 0:
        raise Undefined
    size = max(abs(base.p).bit_length(), base.q.bit_length())
    if base not in (0, 1, -1) and size * abs(power) > MOST_BITS:
        raise Inexact
    if base in (0, 1):
        return base
    return fmpq(1 if power % 2 == 0 else -1) if base == -1 else _short(base**power)


def _exact_function(name: str, arguments: list[fmpq]) -> fmpq:
    first = arguments[0]
    whole = all(argument.q == 1 for argument in arguments)
    match name:
        case "abs":
            return abs(first)
        case "floor":
            return fmpq(first.p // first.q)
        case "ceil":
            return fmpq(-(-first.p // first.q))
        case "fact" if whole and first < 0:
            raise Undefined
        case "fact" if whole and first <= 5000:
            return fmpq(fmpz.fac_ui(int(first.p)))
        case "binom" if whole and 0 <= arguments[1] <= first <= 5000:
            return fmpq(fmpz.bin_uiui(int(first.p), int(arguments[1].p)))
        case "sqrt" if first >= 0 and first.p.is_square() and first.q.is_square():
            return fmpq(first.p.isqrt(), first.q.isqrt())
        case "max" | "min":
            return (max if name == "max" else min)(arguments)
        case "gcd" | "lcm" if whole:
            found = fmpz(first.p)
            for argument in arguments[1:]:
                found = found.gcd(argument.p) if name == "gcd" else found.lcm(argument.p)
            return fmpq(found)
    raise Inexact


def _short(value: fmpq) -> fmpq:
    bits = max(abs(value.p).bit_length(), value.q.bit_length())
    budget.spend(bits >> 10)
    if bits > MOST_BITS:
        raise Inexact
    return value


def indices(node: Node, at: Point):
    """Return the point of each term of a sum. Raises Undefined if its bounds are not integers or too far apart."""
    _, index, lower, upper, _ = node
    try:
        first, last = exact(lower, at), exact(upper, at)
    except Inexact:
        raise Undefined from None
    if first.q != 1 or last.q != 1 or not 0 <= last - first < MOST_TERMS:
        raise Undefined
    return [{**at, index: fmpq(i)} for i in range(int(first.p), int(last.p) + 1)]
