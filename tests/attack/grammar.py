"""Random LaTeX that a policy might try, with its value by mpmath: numbers, infinities, limits, operators, functions,
text, lists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import mpmath

DIGITS = 220
"""Decimal places of computed values; 200 of them are compared."""


@dataclass(frozen=True)
class Written:
    """A text and its value: one number, the numbers of a list, or None without a finite value."""

    text: str
    values: tuple[mpmath.mpf, ...] | None


def answer(rng: Random) -> Written:
    """Return a random answer of any kind."""
    return rng.choices([term, infinite, listed, worded, raw], [10, 4, 3, 2, 3])[0](rng)


def term(rng: Random, depth: int = 3) -> Written:
    """A number, or a formula of numbers."""
    if depth == 0 or rng.random() < 0.25:
        return _number(rng)
    make: Callable[[Random, int], Written] = rng.choice([_sum, _product, _quotient, _power, _function, _absolute])
    return make(rng, depth - 1)


def infinite(rng: Random) -> Written:
    """A formula that contains an infinite or undefined part or a limit; it has no value."""
    core = rng.choice(
        [
            r"\infty", r"-\infty", r"|\infty|", r"e^{|\infty|}", r"e^{-\infty}", r"\frac{1}{0}", r"0 \cdot \infty",
            r"\lim_{x \to \infty} x", r"\lim_{x\to 0} \frac{1}{x}", r"\infty - \infty", r"\frac{\infty}{\infty}",
            r"\log 0", r"\tan \frac{\pi}{2}", r"0^{-1}", r"\sum_{k=1}^{\infty} k", r"\infty^0", r"\sqrt{\infty}",
            r"\text{undefined}", r"\exp(\infty)", r"\infty!", r"\int_0^\infty x dx", r"(-1)!", r"\sin \infty",
        ]
    )  # fmt: skip
    for _ in range(rng.randint(0, 2)):
        other = term(rng, 1).text
        core = rng.choice(
            [f"{other} + {core}", f"{other} \\cdot {core}", f"\\frac{{{other}}}{{{core}}}", f"({core})^{{{other}}}",
             f"|{core}|", f"e^{{{core}}}", f"({other}, {core})", rf"\{{{other}, {core}\}}", f"{other} = {core}"]
        )  # fmt: skip
    return Written(core, None)


def listed(rng: Random) -> Written:
    """Several values: a list, a set, a tuple, an interval, a hedge."""
    items = [term(rng, 1) for _ in range(rng.randint(2, 4))]
    separator = rng.choice([", ", "; ", r" \text{ or } ", r" \lor ", r" \text{ and } ", r"\quad ", " ", r" \\ ", " | "])
    opening, closing = rng.choice([("", ""), ("", ""), ("(", ")"), (r"\{", r"\}"), ("[", "]"), ("[", ")"), ("{", "}")])
    text = opening + separator.join(item.text for item in items) + closing
    values = None if any(item.values is None for item in items) else sum((item.values for item in items), ())
    return Written(text, values)


def worded(rng: Random) -> Written:
    """A value with words, units, names or a relation."""
    inner = term(rng, 1)
    form = rng.choice(
        ["{} \\text{{ cm}}", "x = {}", "{}\\%", "{}^\\circ", "\\text{{about }} {}", "\\neq {}", "> {}", "\\approx {}",
         "{} \\text{{ or so}}", "n \\equiv {} \\pmod{{7}}", "\\pm {}", "{}_2", "f({})", "x^{{{}}}",
         "\\lfloor {} \\rfloor", "\\text{{not }} {}", "{} \\ldots", "\\ldots, {}", "{}!", "\\{{x : x > {}\\}}"]
    )  # fmt: skip
    plain = form in (
        "{} \\text{{ cm}}",
        "x = {}",
        "{}\\%",
        "{}^\\circ",
        "\\approx {}",
        "{}_2",
        "n \\equiv {} \\pmod{{7}}",
    )
    return Written(form.format(inner.text), inner.values if plain else None)


PIECES = (
    *[
        "0",
        "1",
        "2",
        "3",
        "5",
        "10",
        "12",
        "42",
        "100",
        "x",
        "n",
        "e",
        "i",
        "\\pi",
        "\\infty",
        "+",
        "-",
        "*",
        "/",
        "^",
        "_",
        "=",
        "<",
        ">",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "|",
        ",",
        ";",
        "!",
        "\\%",
        "^\\circ",
        "\\cdot",
        "\\times",
    ],
    *(r"\frac{", r"}{", r"\sqrt{", r"\sin ", r"\ln ", r"\lim_{x\to0}", r"\text{ or }", r"\text{cm}", r"\pm ", r"\lor "),
    *(
        r"\ldots",
        r"\{",
        r"\}",
        r"\cup ",
        r"\in ",
        r"\mathbb{R}",
        r"\neq ",
        r"\approx ",
        r"\pmod{",
        r"\left(",
        r"\right)",
    ),
    *(r"\int ", r"\sum_{k=1}^{", r"\emptyset", r"\\", "&", "'", r"\overline{", r"\lfloor ", r"\rfloor ", r"|\infty|"),
)


def raw(rng: Random) -> Written:
    """Pieces in any order. independent.py computes the value."""
    return Written("".join(rng.choice(PIECES) for _ in range(rng.randint(1, 8))), None)


def _number(rng: Random) -> Written:
    kind = rng.random()
    if kind < 0.55:
        n = rng.choice([rng.randint(0, 12), rng.randint(0, 120), rng.randint(0, 2000)])
        return Written(str(n), (mpmath.mpf(n),))
    if kind < 0.7:
        n, places = rng.randint(1, 999), rng.randint(1, 3)
        return Written(f"{n / 10**places:.{places}f}", (mpmath.mpf(n) / 10**places,))
    if kind < 0.9:
        a, b = rng.randint(1, 30), rng.randint(1, 30)
        return Written(rf"\frac{{{a}}}{{{b}}}", (mpmath.mpf(a) / b,))
    return rng.choice([Written(r"\pi", (+mpmath.pi,)), Written("e", (+mpmath.e,))])


def _worth(text: str, compute: Callable, *parts: Written) -> Written:
    if any(part.values is None for part in parts):
        return Written(text, None)
    try:
        value = compute(*(part.values[0] for part in parts))
        real = mpmath.im(value) == 0 and mpmath.isfinite(value) and abs(value) < mpmath.mpf(10) ** 10_000
        return Written(text, (mpmath.re(value),) if real else None)
    except (ArithmeticError, ValueError, mpmath.libmp.ComplexResult, mpmath.libmp.NoConvergence):
        return Written(text, None)


def _sum(rng: Random, depth: int) -> Written:
    a, b = term(rng, depth), term(rng, depth)
    if rng.random() < 0.5:
        return _worth(f"{a.text} + {b.text}", lambda x, y: x + y, a, b)
    return _worth(f"{a.text} - ({b.text})", lambda x, y: x - y, a, b)


def _product(rng: Random, depth: int) -> Written:
    a, b = term(rng, depth), term(rng, depth)
    sign = rng.choice(["", r" \cdot ", r" \times "])
    return _worth(f"({a.text}){sign}({b.text})", lambda x, y: x * y, a, b)


def _quotient(rng: Random, depth: int) -> Written:
    a, b = term(rng, depth), term(rng, depth)
    return _worth(rf"\frac{{{a.text}}}{{{b.text}}}", lambda x, y: x / y, a, b)


def _power(rng: Random, depth: int) -> Written:
    a, n = term(rng, depth), rng.choice([-60, -2, -1, 0, 1, 2, 3, 50])
    return _worth(f"({a.text})^{{{n}}}", lambda x: 1 / mpmath.mpf(0) if x == 0 and n <= 0 else x**n, a)


def _function(rng: Random, depth: int) -> Written:
    a = term(rng, depth)
    name, compute = rng.choice(
        [
            (r"\sqrt{%s}", lambda x: mpmath.sqrt(x) if x >= 0 else mpmath.nan),
            (r"\sin(%s)", mpmath.sin),
            (r"\cos(%s)", mpmath.cos),
            (r"\ln(%s)", lambda x: mpmath.log(x) if x > 0 else mpmath.nan),
            (r"\exp(%s)", mpmath.exp),
            (r"e^{-(%s)}", lambda x: mpmath.exp(-x)),
            (r"\lfloor %s \rfloor", mpmath.floor),
            (r"\log_{2} (%s)", lambda x: mpmath.log(x) / mpmath.log(2) if x > 0 else mpmath.nan),
        ]
    )
    return _worth(name % a.text, compute, a)


def _absolute(rng: Random, depth: int) -> Written:
    a = term(rng, depth)
    return _worth(f"|{a.text}|", abs, a)
