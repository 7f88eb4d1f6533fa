"""Answers that differ only in notation."""

import re
from fractions import Fraction

_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3}){1,600}(?:\.\d{1,2000})?", re.ASCII)
_PLAIN = re.compile(r"[-+]?(?:\d{1,2000}(?:\.\d{0,2000})?|\.\d{1,2000})", re.ASCII)
_NOISE = re.compile(r"\\(?:left|right)(?![a-z])|(?<!\\)\\[!,;: ]|^\$+|\$+$")
_IDLE_SPACE = re.compile(r"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z])")

ROUNDED = 6
"""A decimal with at least this many significant digits equals what rounds to it."""


def number(text: str) -> Fraction | None:
    """Return the exact value of a plain ASCII integer or decimal, with or without grouped thousands; else None.

    >>> number("1,234.50"), number("032"), number("1,22"), number("1/2")
    (Fraction(2469, 2), Fraction(32, 1), None, None)
    """
    text = text.strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return Fraction(text) if _PLAIN.fullmatch(text) else None


def digits(text: str) -> int | None:
    """Return the significant digits of a number written with a point, else None.

    >>> digits("0.050"), digits("1,234.5"), digits("12")
    (2, 5, None)
    """
    return len(re.sub(r"\D", "", text).lstrip("0")) if "." in text else None


def rounds_to(value: Fraction, digits: int, other: Fraction, others_digits: int | None) -> bool:
    """Return whether `other` rounds to the decimal `value`, which has `digits` significant digits: at least six.

    `other` is a fraction or a longer decimal, with `others_digits` digits (None for a fraction), not a whole number.

    >>> third = Fraction("0.333333")
    >>> rounds_to(third, 6, Fraction(1, 3), None), rounds_to(third, 6, Fraction("0.333334"), 6)
    (True, False)
    """
    if digits < ROUNDED or not value or (other.denominator == 1 if others_digits is None else others_digits <= digits):
        return False
    return 2 * abs(value - other) <= step(value, digits)


def step(value: Fraction, digits: int) -> Fraction:
    """Return one unit in the last of `digits` significant digits of a value."""
    exponent = len(str(abs(value.numerator))) - len(str(value.denominator))
    size = exponent if abs(value) >= Fraction(10) ** exponent else exponent - 1
    return Fraction(10) ** (size - digits + 1)


def same_text(a: str, b: str) -> bool:
    """Return whether two texts are equal except for what LaTeX does not print.

    >>> same_text(r"\\left( 1,2 \\right)", "(1,2)"), same_text("123", "1 2 3")
    (True, False)
    """
    return _bare(a) == _bare(b) != ""


def _bare(text: str) -> str:
    text = _NOISE.sub("", text.strip()).replace("dfrac", "frac").replace("tfrac", "frac")
    return _IDLE_SPACE.sub("", text)
