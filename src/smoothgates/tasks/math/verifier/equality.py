"""Whether an answer equals a gold: plain numbers are compared here, all else in worker processes."""

from collections.abc import Sequence
from fractions import Fraction

from smoothgates.io.system import cores
from smoothgates.tasks.math.verifier.limits import LONGEST_GOLD, too_costly
from smoothgates.tasks.math.verifier.notation import digits, number, rounds_to, same_text
from smoothgates.tasks.math.verifier.pool import Comparison, Pool
from smoothgates.tasks.task import Reason

POOL, PUBLISHED = (Pool(min(cores(), 8), published) for published in (False, True))
"""Workers with this project's verifier, and with math-verify. They start with the first comparison that needs one."""


def equal(comparisons: Sequence[Comparison]) -> list[Reason]:
    """Return `correct`, `wrong`, `unparsable` or `timeout` for each pair of golds and answer.

    >>> equal([(("1/2",), "0.5"), (("32",), "032"), (("1",), "2"), (("1",), "9^9^9^9")])
    ['correct', 'correct', 'wrong', 'timeout']
    """
    reasons = [without_worker(golds, answer) for golds, answer in comparisons]
    undecided = [i for i, reason in enumerate(reasons) if reason is None]
    requests = [
        ([gold for gold in comparisons[i][0] if len(gold) <= LONGEST_GOLD], comparisons[i][1]) for i in undecided
    ]
    for i, reason in zip(undecided, POOL.judge(requests)):
        reasons[i] = reason
    return reasons


def equal_to_math_verify(comparisons: Sequence[Comparison]) -> list[Reason]:
    r"""Return the verdicts of math-verify, within the same limits.

    >>> equal_to_math_verify([(("1/2",), "0.5"), (("42",), r"e^{|\infty|}"), (("1",), "9^9^9^9")])
    ['correct', 'correct', 'timeout']
    """
    reasons = iter(PUBLISHED.judge([comparison for comparison in comparisons if not too_costly(comparison[1])]))
    return ["timeout" if too_costly(answer) else next(reasons) for _, answer in comparisons]


def without_worker(golds: Sequence[str], answer: str) -> Reason | None:
    """Return the verdict if text or plain numbers decide it, else None.

    >>> without_worker(["1000"], "1,000.0"), without_worker(["7"], "8"), without_worker(["0.33"], "0.3300001")
    ('correct', 'wrong', 'wrong')
    """
    if any(same_text(gold, answer) for gold in golds):
        return "correct"
    value = number(answer)
    if value is not None:
        references = [(number(gold), gold) for gold in golds]
        if any(gold is not None and _same_number(gold, text, value, answer) for gold, text in references):
            return "correct"
        if all(gold is not None for gold, _ in references):
            return "wrong"
    return "timeout" if too_costly(answer) else None


def _same_number(gold: Fraction, gold_text: str, value: Fraction, answer: str) -> bool:
    ours, theirs = digits(gold_text), digits(answer)
    return (
        gold == value
        or (ours is not None and rounds_to(gold, ours, value, theirs))
        or (theirs is not None and rounds_to(value, theirs, gold, ours))
    )
