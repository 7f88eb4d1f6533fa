"""Whether an answer equals a reference: exactly where both are plain numbers, by math-verify in a worker otherwise."""

from collections.abc import Sequence
from fractions import Fraction

from smoothgates.system import cores
from smoothgates.tasks.math.limits import LONGEST_GOLD, too_costly
from smoothgates.tasks.math.notation import number, same_text
from smoothgates.tasks.math.pool import Comparison, Pool
from smoothgates.tasks.task import Reason

POOL = Pool(size=min(cores(), 8))
"""No process is started before the first comparison that needs one."""

ROUNDING = Fraction(1, 10**6)
"""Numbers further apart differ in math-verify's 6 decimals."""


def equal(comparisons: Sequence[Comparison]) -> list[Reason]:
    """`correct`, `wrong`, `unparsable` or `timeout` for each pair of golds and answer.

    >>> equal([(("1/2",), "0.5"), (("32",), "032"), (("1",), "2"), (("1",), "9^9^9^9")])
    ['correct', 'correct', 'wrong', 'timeout']
    """
    reasons = [without_worker(golds, answer) for golds, answer in comparisons]
    open_cases = [i for i, reason in enumerate(reasons) if reason is None]
    requests = [
        ([gold for gold in comparisons[i][0] if len(gold) <= LONGEST_GOLD], comparisons[i][1]) for i in open_cases
    ]
    for i, reason in zip(open_cases, POOL.judge(requests)):
        reasons[i] = reason
    return reasons


def without_worker(golds: Sequence[str], answer: str) -> Reason | None:
    """The verdict where it is beyond doubt, else None. Numbers within rounding of each other are left to math-verify.

    >>> without_worker(["1000"], "1,000.0"), without_worker(["7"], "8"), without_worker(["0.33"], "0.3300001")
    ('correct', 'wrong', None)
    """
    if any(same_text(gold, answer) for gold in golds):
        return "correct"
    value, references = number(answer), [number(gold) for gold in golds]
    if value is not None and value in references:
        return "correct"
    if value is not None and all(gold is not None and abs(gold - value) > ROUNDING for gold in references):
        return "wrong"
    return "timeout" if too_costly(answer) else None
