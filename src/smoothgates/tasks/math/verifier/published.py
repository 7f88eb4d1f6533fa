"""math-verify's own verdict, with which published numbers can be compared. Nothing should be trained with it:
docs/math-verify.md lists what a policy could earn for nothing.
"""

import logging
from collections.abc import Sequence

from math_verify import parse, verify

from smoothgates.tasks.task import Reason

logging.getLogger("math_verify").setLevel(
    logging.CRITICAL
)  # it warns that its timeouts are off: the worker has its own


def judge(golds: Sequence[str], answer: str) -> Reason:
    r"""What `verify(parse("$gold$"), parse("$answer$"))` says of any of the golds.

    >>> judge([r"\frac{1}{2}"], "0.5"), judge(["42"], "43"), judge(["42"], r"e^{|\infty|}")
    ('correct', 'wrong', 'correct')
    """
    try:
        found = _parsed(answer)
        if any(verify(_parsed(gold), found, timeout_seconds=None) for gold in golds):
            return "correct"
    except Exception:  # sympy raises anything on odd input, RecursionError above all
        return "unparsable"
    return "wrong" if found else "unparsable"


def _parsed(text: str) -> list:
    return parse(f"${text}$", parsing_timeout=None)
