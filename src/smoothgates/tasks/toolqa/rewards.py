"""Rewards of the tool QA task. Judges read what the policy wrote, without what tools wrote."""

from collections.abc import Callable

from smoothgates.tasks.tags import ANSWER, hedged, last_block
from smoothgates.tasks.task import Example, Judge, Reason, Verdict, each
from smoothgates.tasks.toolqa.scoring import match


def final_answer(own: str) -> str | None:
    """Return the last closed <answer> block; None if it is missing, blank, or listed with another.

    >>> final_answer("<answer>Rome</answer> No: <answer> Oslo </answer>"), final_answer("<answer></answer>")
    ('Oslo', None)
    """
    if hedged(own, *ANSWER):
        return None
    return (last_block(own, *ANSWER) or "").strip() or None


def stated_answer(own: str) -> str | None:
    """Return the answer: the <answer> block, else the text after </think>, or None.

    >>> stated_answer("<think>Rome?</think> It is Oslo."), stated_answer("<answer>Oslo"), stated_answer("</think>")
    ('It is Oslo.', 'Oslo', None)
    """
    if (answer := final_answer(own)) is not None or hedged(own, *ANSWER):
        return answer
    said = own.rpartition("</think>")[2]
    for tag in ANSWER:
        said = said.replace(tag, "")
    return said.strip() or None


def matched(read: Callable[[str], str | None], right: float, wrong: float) -> Judge:
    """Return a judge by exact match that gives `right` for a match, else `wrong`."""

    def judge(completion: str, example: Example, truncated: bool) -> Verdict:
        extracted = read(completion)
        em = f1 = 0.0
        reason: Reason = "truncated" if truncated else "unparsable"
        if extracted is not None and not truncated:
            em, f1 = match(extracted, example.answers)
            reason = "correct" if em else "wrong"
        return Verdict(right if em else wrong, {"em": em, "f1": f1}, extracted, reason)

    return each(judge)


REWARDS: dict[str, Judge] = {
    "em": matched(final_answer, 1.0, 0.0),  # Search-R1
    "plus_minus": matched(final_answer, 1.0, -1.0),  # 2511.00066, eq 20
    "answer": matched(stated_answer, 1.0, 0.0),
}
