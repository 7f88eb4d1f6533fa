"""Whether two mathematical objects are equal: terms, sets, tuples, matrices, words."""

import re
from collections.abc import Callable
from fractions import Fraction

from smoothgates.tasks.math.verifier.formula.nodes import Node
from smoothgates.tasks.math.verifier.formula.regions import region, variables
from smoothgates.tasks.math.verifier.formula.values import same_value


def same_object(gold: Node | None, answer: Node | None) -> bool:
    """Return whether two objects are equal."""
    if gold is None or answer is None:
        return gold is answer
    gold, answer = _evaluated(gold), _evaluated(answer)
    if _unitless(gold) is not gold or _unitless(answer) is not answer:
        return _with_units(gold, answer)
    kinds = (gold[0], answer[0])
    if "word" in kinds:
        return _words(gold, answer)
    if "base" in kinds:
        return _based(gold, answer)
    if kinds == ("point", "point"):
        return same_object(gold[1], answer[1])
    if kinds == ("seq", "seq"):
        return gold[1:3] == answer[1:3] and in_order(gold[3], answer[3])
    if kinds == ("set", "set"):
        dotted = ("dots",) in (*gold[1], *answer[1])
        return (in_order if dotted else matched)(gold[1], answer[1])
    if kinds == ("matrix", "matrix"):
        rows, others = gold[1], answer[1]
        return len(rows) == len(others) and all(in_order(a, b) for a, b in zip(rows, others))
    if kinds == ("ratio", "ratio"):
        return in_order(gold[1], answer[1])
    if "union" in kinds or "minus" in kinds or "all" in kinds:
        return gold == answer or same_region(gold, answer)
    if {*kinds} & _WHOLE:
        return gold == answer
    return same_value(gold, answer)


_WHOLE = {"seq", "set", "matrix", "ratio", "union", "cut", "minus", "all", "empty", "dots", "rel", "mod", "list",
          "inf", "-inf", "cross", "point"}  # fmt: skip
"""Kinds that are compared as whole trees."""


def _evaluated(node: Node) -> Node:
    """Carry out sums of matrices, a matrix times a number, and signs before infinity."""
    match node:
        case ("neg", ("neg", a)):
            return _evaluated(a)
        case ("neg", ("inf",)):
            return ("-inf",)
        case ("set", (item,)) if item[0] not in ("set", "empty"):
            return _evaluated(item)
        case ("add", a, b) if (x := _evaluated(a))[0] == "matrix" == (y := _evaluated(b))[0]:
            if [len(row) for row in x[1]] == [len(row) for row in y[1]]:
                return ("matrix", tuple(tuple(("add", p, q) for p, q in zip(r, s)) for r, s in zip(x[1], y[1])))
        case ("mul", a, b) if _evaluated(b)[0] == "matrix" and a[0] != "matrix":
            return ("matrix", tuple(tuple(("mul", a, p) for p in row) for row in _evaluated(b)[1]))
        case ("neg", a) if _evaluated(a)[0] == "matrix":
            return ("matrix", tuple(tuple(("neg", p) for p in row) for row in _evaluated(a)[1]))
    return node


# --- words, units, bases ---

_SPELLINGS = (
    ("degrees", "degree", "deg", "°"),
    ("%", "percent", "pct", "percentage"),
    ("cm", "centimeter", "centimetre"),
    ("mm", "millimeter", "millimetre"),
    ("m", "meter", "metre"),
    ("km", "kilometer", "kilometre"),
    ("in", "inch", "inche"),
    ("ft", "foot", "feet"),
    ("mi", "mile"),
    ("yd", "yard"),
    ("g", "gram"),
    ("kg", "kilogram"),
    ("mg", "milligram"),
    ("lb", "pound"),
    ("oz", "ounce"),
    ("l", "liter", "litre"),
    ("ml", "milliliter", "millilitre"),
    ("s", "sec", "second"),
    ("min", "minute"),
    ("h", "hr", "hour"),
    ("mph", "milesperhour", "mi/h", "miles/hour"),
    ("kmh", "km/h", "kilometersperhour"),
)
_SYNONYM = {word: words[0] for words in _SPELLINGS for word in words}
_REFUSED = re.compile(
    r"\b(?:not|no|never|neither|nor|or|and|isn't|wrong|except|unless|if|where|else|maybe|perhaps|either|but)\b"
    r"|\b(?:plus|minus|over|divided|factorial|below|negative|pi|infinity|infty|sqrt|root)\b"
    r"|\b(?:times|point) \w|^(?:squared|cubed)|(?<![\^{-])\d|[=<>?+*!|\\]",
    re.IGNORECASE,
)
"""Words after a number that make it more than a number with a unit."""
LONGEST_UNIT = 60
"""Characters of the longest unit."""


def _unitless(node: Node) -> Node:
    match node:
        case ("unit", a, _):
            return _unitless(a)
        case ("deg", a):
            return a
        case ("neg", a) if (inner := _unitless(a)) is not a:
            return ("neg", inner)
    return node


def _unit(node: Node) -> str | None:
    match node:
        case ("unit", a, text):
            inner = _unit(a)
            return text if inner is None else f"{inner} {text}"
        case ("deg", _):
            return "degrees"
        case ("neg", a):
            return _unit(a)
    return None


def _with_units(gold: Node, answer: Node) -> bool:
    """Compare with units: they must agree if both have one. `50\\%` equals 50 and 0.5; `90°` equals 90 and π/2."""
    ours, theirs = _unit(gold), _unit(answer)
    for unit in (ours, theirs):
        if unit is not None and (len(unit) > LONGEST_UNIT or _REFUSED.search(unit)):
            return gold == answer
    if ours is not None and theirs is not None and _plain_unit(ours) != _plain_unit(theirs):
        return False
    bare, other = _unitless(gold), _unitless(answer)
    if (ours is None) != (theirs is None) and {bare[0], other[0]} & {"name", "word"}:
        return False
    if same_object(bare, other):
        return True
    if (ours is None) != (theirs is None) and (unit := _plain_unit(ours or theirs)) in _VALUED:
        return same_object(_VALUED[unit](bare), other) if ours is not None else same_object(bare, _VALUED[unit](other))
    return False


_VALUED = {
    "%": lambda node: ("div", node, ("num", Fraction(100), None)),
    "degrees": lambda node: ("mul", node, ("div", ("const", "pi"), ("num", Fraction(180), None))),
}
"""Units that are numbers: if one side has no unit, they may be multiplied out."""


def _plain_unit(text: str) -> str:
    """Return the standard spelling of a unit. Short units keep their case: MW is not mW."""
    text = re.sub(
        r"\b(square|sq\.?|cubic|cu\.?)\s+(\w+)", lambda found: found[2] + "^" + "23"[found[1][0] == "c"], text
    )
    text = re.sub(r"\s+|[.,{}\\]", "", text)
    text = text.casefold() if len(text) > 3 or text in ("AM", "PM") else text
    name, power, exponent = text.partition("^")
    singular = name.removesuffix("s") if len(name) > 2 else name
    return (_SYNONYM.get(name) or _SYNONYM.get(singular) or singular) + power + exponent


def _words(gold: Node, answer: Node) -> bool:
    """Compare words letter by letter; ignore case from three letters on, and for `no`. Shorter words are labels."""
    ours, theirs = _text(gold), _text(answer)
    if ours is None or theirs is None:
        return False
    if ours == theirs:
        return True
    return (len(ours) > 2 or ours.casefold() == "no") and ours.casefold() == theirs.casefold()


def _text(node: Node) -> str | None:
    """Return the letters of a word or of adjacent names; None for anything else."""
    match node:
        case ("word", text):
            return " ".join(re.sub(r"[.,;:!()\"`]", " ", text).split())
        case ("name", text):
            return text
        case ("mul", a, b) if (x := _text(a)) and (y := _text(b)):
            return x + y
    return None


def _based(gold: Node, answer: Node) -> bool:
    """Compare numerals digit by digit; the base must agree if both have one."""
    if gold[0] == answer[0] == "base":
        return gold[2] == answer[2] and gold[1].lstrip("0") == answer[1].lstrip("0")
    based, other = (gold, answer) if gold[0] == "base" else (answer, gold)
    return other[0] == "num" and other[1] == Fraction(based[1])


def same_region(gold: Node, answer: Node) -> bool:
    """Compare sets of numbers: `x < 3` is (−∞, 3), `0 < x < 1` is (0, 1), if one side is written as a set."""
    if {gold[0], answer[0]} <= {"rel", "list"} and (variables(gold) != variables(answer) or not variables(gold)):
        return False
    ours, theirs = region(gold), region(answer)
    return ours is not None and theirs is not None and matched(ours, theirs)


def in_order(ours, theirs, same: Callable[[Node, Node], bool] = same_object) -> bool:
    """Return whether the items are equal one by one."""
    return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs))


def matched(ours, theirs, same: Callable[[Node, Node], bool] = same_object) -> bool:
    """Return whether the items can be paired, each with a different equal one."""
    if len(ours) != len(theirs):
        return False
    left = list(theirs)
    for item in ours:
        found = next((j for j in range(len(left)) if same(item, left[j])), None)
        if found is None:
            return False
        del left[found]
    return True
