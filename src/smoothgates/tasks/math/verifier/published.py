"""math-verify's verdict, for comparison with published numbers. Do not train with it: docs/math-verify.md lists wrong
answers that it accepts.
"""

import logging
from collections.abc import Sequence

from math_verify import parse, verify

from smoothgates.tasks.task import Reason

# It warns that its timeouts are off. The worker has its own.
logging.getLogger("math_verify").setLevel(logging.CRITICAL)


def judge(golds: Sequence[str], answer: str) -> Reason:
    r"""Return `correct` if `verify(parse("$gold$"), parse("$answer$"))` is true for any gold.

    >>> judge([r"\frac{1}{2}"], "0.5"), judge(["42"], "43"), judge(["42"], r"e^{|\infty|}")
    ('correct', 'wrong', 'correct')
    """
    try:
        found = _parsed(answer)
        if any(verify(_parsed(gold), found, timeout_seconds=None) for gold in golds):
            return "correct"
    except Exception:  # sympy raises anything on odd input, often RecursionError
        return "unparsable"
    return "wrong" if found else "unparsable"


def _parsed(text: str) -> list:
    return parse(f"${text}$", parsing_timeout=None)
