r"""Trees of formulas: tuples that begin with their kind.

Numbers   ("num", Fraction, digits | None)     digits: significant digits of a decimal
Terms     ("name", text) ("const", "pi" | "e" | "i") ("add" | "mul", a, ...) ("pow", a, b) ("div", a, b) ("neg", a)
          ("pm", a, b) ("fn", name, a, ...) ("call", name, a, ...) ("cross", a, b) ("sum" | "prod", name, from, to, a)
          ("deg", a) ("inf",)
Objects   ("seq", opening, closing, items) ("set", items) ("union" | "cut" | "minus", a, b) ("matrix", rows)
          ("all", "R") ("empty",) ("unit", a, text) ("base", digits, base) ("word", text) ("ratio", items) ("dots",)
Statements ("rel", signs, terms) ("mod", a, modulus) ("list", joint, items)     joint: "," or "and" or "or"
"""

import re
from fractions import Fraction

from smoothgates.tasks.math.verifier.formula.errors import Unreadable

Node = tuple


def number(text: str) -> Node:
    r"""Return a number, with its significant digits if it has a point.

    >>> number("0.50"), number("1ˌ000"), number("1.5e3"), number("0.1\\overline{6}")[1]
    (('num', Fraction(1, 2), 2), ('num', Fraction(1000, 1), None), ('num', Fraction(1500, 1), 2), Fraction(1, 6))
    """
    text = text.replace("\u02cc", "")
    if "overline" in text:
        once, again = text.rstrip("}").split(r"\overline{")
        whole, _, places = once.partition(".")
        if "." not in once:
            raise Unreadable("a line over digits")
        value = Fraction(int((whole + places + again) or 0) - int((whole + places) or 0))
        return ("num", value / (10 ** len(places) * (10 ** len(again) - 1)), None)
    mantissa = re.split("[eE]", text)[0]
    digits = len(mantissa.replace(".", "").lstrip("0")) if "." in text or mantissa != text else None
    return ("num", Fraction(text), digits)


def letter(text: str) -> Node:
    """Return a letter as a name, or as the constant e or i."""
    return ("const", text) if text in ("e", "i") else ("name", text)


def whole(node: Node) -> bool:
    """Return whether a node is written as an integer."""
    return node[0] == "num" and node[2] is None and node[1].denominator == 1


def vector(node: Node) -> bool:
    """Return whether a name is marked as a vector, by a hat, an arrow or bold type."""
    return node[0] == "name" and node[1].startswith(("hat", "vec", "overrightarrow", "mathbf"))


def undressed(node):
    """Remove what only the reader needs: brackets around numbers, bold letters and arrows of vectors."""
    if not isinstance(node, tuple):
        return node
    if node[:1] == ("name",) and (dressed := re.fullmatch(r"(?:mathbf|vec|overrightarrow)\((\w+)\)(.*)", node[1])):
        return ("name", dressed[1] + dressed[2])
    return undressed(node[1]) if node[:1] == ("group",) else tuple(map(undressed, node))
