"""The laptop study's math reward: 1 if the text in the last \\boxed{} is the answer, else 0."""

from smoothgates.tasks.tags import BOXED, last_block
from smoothgates.tasks.task import Example, Verdict


def exact(completion: str, example: Example, truncated: bool) -> Verdict:
    """Return the verdict. A truncated completion gets 0.

    >>> exact(r"2*5=10\\boxed{10}", Example("", "", ("10",)), truncated=False)
    Verdict(reward=1.0, components={'answer': 1.0}, extracted='10', reason='correct')
    >>> exact(r"2*5=10", Example("", "", ("10",)), truncated=False).reason
    'unparsable'
    """
    extracted = last_block(completion, *BOXED)
    extracted = extracted and extracted.strip()
    right = not truncated and extracted in example.answers
    reason = "truncated" if truncated else "unparsable" if extracted is None else "correct" if right else "wrong"
    return Verdict(float(right), {"answer": float(right)}, extracted, reason)
