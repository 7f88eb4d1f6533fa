"""The laptop's math verdict: 1 if the last \\boxed{} holds exactly the answer, else 0."""

from smoothgates.tasks.task import Problem, Verdict

OPENING = r"\boxed{"


def verify(completion: str, problem: Problem, truncated: bool) -> Verdict:
    """A completion that never ended earns nothing, whatever stands in it.

    >>> verify(r"2*5=10\\boxed{10}", Problem("", "10", ""), truncated=False)
    Verdict(reward=1.0, extracted='10', reason='correct')
    >>> verify(r"2*5=10", Problem("", "10", ""), truncated=False).reason
    'unparsable'
    """
    extracted = last_boxed(completion)
    if truncated:
        return Verdict(0.0, extracted, "truncated")
    if extracted is None:
        return Verdict(0.0, None, "unparsable")
    right = extracted == problem.answer
    return Verdict(float(right), extracted, "correct" if right else "wrong")


def last_boxed(text: str) -> str | None:
    """Content of the last \\boxed{…} that is closed, or None."""
    start = text.rfind(OPENING)
    end = text.find("}", start)
    return None if start < 0 or end < 0 else text[start + len(OPENING) : end].strip()
