"""The value of a text by code other than the verifier's: math-verify reads it, mpmath computes it."""

import logging

import mpmath

PLACES = 200


def values(text: str) -> tuple[mpmath.mpf, ...] | None:
    """Return the numbers of a gold to 200 digits: one, or those of a tuple or finite set; None for anything else."""
    import sympy
    from math_verify import parse

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it warns that its timeouts are off
    try:
        found = [each for each in parse(f"${text}$", parsing_timeout=None) if not isinstance(each, str)]
        return _numbers(found[0]) if found and isinstance(found[0], sympy.Basic) else None
    except Exception:  # it raises anything
        return None


def _numbers(tree) -> tuple[mpmath.mpf, ...] | None:
    import sympy

    if isinstance(tree, sympy.FiniteSet | sympy.Tuple):
        parts = [_numbers(part) for part in tree.args]
        return None if None in parts else sum(parts, ())
    if isinstance(tree, sympy.Interval):
        return _numbers(sympy.Tuple(tree.start, tree.end))
    if isinstance(tree, sympy.Eq):
        return _numbers(tree.rhs)
    if not isinstance(tree, sympy.Expr) or tree.free_symbols or tree.has(sympy.oo, sympy.zoo, sympy.nan):
        return None
    tree = tree.replace(lambda part: part.is_Float, lambda part: sympy.Rational(str(part)))
    value = sympy.N(tree.doit(), PLACES + 20)
    return (mpmath.mpf(str(value)),) if value.is_real else None


def agree(a: tuple, b: tuple, places: int = PLACES) -> bool:
    """Return whether two lists hold the same numbers in any order."""
    a, b = sorted(a), sorted(b)
    return len(a) == len(b) and all(
        x == y or abs(x - y) <= mpmath.mpf(10) ** -places * max(abs(x), abs(y)) for x, y in zip(a, b)
    )
