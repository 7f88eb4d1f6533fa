"""Spellings of one answer that differ in nothing but notation."""

import re
from fractions import Fraction

_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3}){1,600}(?:\.\d{1,2000})?", re.ASCII)
_PLAIN = re.compile(r"[-+]?(?:\d{1,2000}(?:\.\d{0,2000})?|\.\d{1,2000})", re.ASCII)
_NOISE = re.compile(r"\\(?:left|right)(?![a-z])|(?<!\\)\\[!,;: ]|^\$+|\$+$")
_IDLE_SPACE = re.compile(r"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z])")

ROUNDED = 6
"""Significant digits from which a decimal stands for all that rounds to it."""


def number(text: str) -> Fraction | None:
    """The exact value of a plain integer or decimal, thousands grouped or not, ASCII only.

    >>> number("1,234.50"), number("032"), number("1,22"), number("1/2")
    (Fraction(2469, 2), Fraction(32, 1), None, None)
    """
    text = text.strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return Fraction(text) if _PLAIN.fullmatch(text) else None


def digits(text: str) -> int | None:
    """Significant digits of a number written with a point, else None.

    >>> digits("0.050"), digits("1,234.5"), digits("12")
    (2, 5, None)
    """
    return len(re.sub(r"\D", "", text).lstrip("0")) if "." in text else None


def rounds_to(value: Fraction, digits: int, other: Fraction, others_digits: int | None) -> bool:
    """Whether the decimal `value` of so many significant digits stands for `other`: a decimal of six digits or more
    stands for what rounds to it, a longer decimal or a fraction, but for no whole number.

    >>> third = Fraction("0.333333")
    >>> rounds_to(third, 6, Fraction(1, 3), None), rounds_to(third, 6, Fraction("0.333334"), 6)
    (True, False)
    """
    if digits < ROUNDED or not value or (other.denominator == 1 if others_digits is None else others_digits <= digits):
        return False
    return 2 * abs(value - other) <= step(value, digits)


def step(value: Fraction, digits: int) -> Fraction:
    """One in the last of so many significant digits."""
    exponent = len(str(abs(value.numerator))) - len(str(value.denominator))
    size = exponent if abs(value) >= Fraction(10) ** exponent else exponent - 1
    return Fraction(10) ** (size - digits + 1)


def same_text(a: str, b: str) -> bool:
    """Equal up to what LaTeX does not print.

    >>> same_text(r"\\left( 1,2 \\right)", "(1,2)"), same_text("123", "1 2 3")
    (True, False)
    """
    return _bare(a) == _bare(b) != ""


def _bare(text: str) -> str:
    text = _NOISE.sub("", text.strip()).replace("dfrac", "frac").replace("tfrac", "frac")
    return _IDLE_SPACE.sub("", text)
