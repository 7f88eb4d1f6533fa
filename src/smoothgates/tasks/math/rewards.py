"""What a completion is worth."""

from collections.abc import Callable

from smoothgates.tasks.math.exact import exact
from smoothgates.tasks.math.verifier.equality import equal, equal_to_math_verify
from smoothgates.tasks.math.verifier.extract import final_answer, last_boxed, stated
from smoothgates.tasks.math.verifier.pool import Comparison
from smoothgates.tasks.tags import ANSWER, THINK, last_block, once_in_order
from smoothgates.tasks.task import Answered, Judge, Reason, Verdict, each

Compare = Callable[[list[Comparison]], list[Reason]]
"""Whether answers equal golds."""


def answers(
    completions: list[Answered], find: Callable[[str], str | None], compare: Compare = equal
) -> list[tuple[str | None, Reason]]:
    """The answer found in each completion, and its verdict. One cut off before its end is not judged."""
    found = [find(completion) for completion, _, _ in completions]
    reasons: list[Reason] = ["truncated" if cut else "unparsable" for _, _, cut in completions]
    judged = [i for i, (_, _, cut) in enumerate(completions) if found[i] and not cut]
    verdicts = compare([(completions[i][1].answers, found[i]) for i in judged])
    for i, reason in zip(judged, verdicts):
        reasons[i] = reason
    return list(zip(found, reasons))


def answer_reward(find: Callable[[str], str | None], compare: Compare = equal) -> Judge:
    """1 for a right answer, else 0."""

    def judge(completions: list[Answered]) -> list[Verdict]:
        rows = answers(completions, find, compare)
        return [_verdict(found, reason, {"answer": float(reason == "correct")}) for found, reason in rows]

    return judge


def think_answer(completions: list[Answered]) -> list[Verdict]:
    """r = r_answer + r_format of 2602.19345 (equations 9–11), between 0 and 2."""
    rows = answers(completions, tagged_answer)
    forms = [think_answer_format(completion) for completion, _, _ in completions]
    return [
        _verdict(found, reason, {"answer": float(reason == "correct"), "format": form})
        for (found, reason), form in zip(rows, forms)
    ]


def tagged_answer(completion: str) -> str | None:
    """The answer in the last <answer> block."""
    block = last_block(completion, *ANSWER)
    return None if block is None else stated(block)


def think_answer_format(completion: str) -> float:
    """r_format of 2602.19345 (equation 11).

    1 if the whole completion is a <think> block and an <answer> block, 0.5 if it starts with <think> and ends with
    </answer>, 0.25 if it does one of the two, else 0. Our reading of "whole": each tag stands exactly once, with
    nothing but space outside the blocks.

    >>> texts = ("<think>a</think> <answer>1</answer>", "<think>a <answer>1</answer>", "<think>a", "1")
    >>> [think_answer_format(text) for text in texts]
    [1.0, 0.5, 0.25, 0.0]
    """
    text = completion.strip()
    ends = text.startswith(THINK[0]) + text.endswith(ANSWER[1])
    between = text.partition(THINK[1])[2].partition(ANSWER[0])[0]
    if ends == 2 and once_in_order(text, THINK + ANSWER) and not between.strip():
        return 1.0
    return (0.0, 0.25, 0.5)[ends]


def _verdict(found: str | None, reason: Reason, components: dict[str, float]) -> Verdict:
    # Half a surrogate pair is legal in a str, but no file takes it.
    printable = found and found.encode("utf-8", "replace").decode("utf-8")
    return Verdict(sum(components.values()), components, printable, reason)


REWARDS: dict[str, Judge] = {
    "exact": each(exact),
    "boxed": answer_reward(last_boxed),
    "think_answer": think_answer,
    "answer": answer_reward(final_answer),
    "math_verify": answer_reward(final_answer, equal_to_math_verify),
}
