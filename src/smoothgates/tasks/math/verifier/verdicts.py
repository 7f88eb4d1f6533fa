"""The verdict on one answer: read it, read the golds, compare. The same inputs always give the same verdict."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product

from smoothgates.tasks.math.verifier.extract import final_answer
from smoothgates.tasks.math.verifier.formula.claims import same
from smoothgates.tasks.math.verifier.formula.errors import Unreadable
from smoothgates.tasks.math.verifier.formula.nodes import Node
from smoothgates.tasks.math.verifier.formula.reader import read
from smoothgates.tasks.math.verifier.formula.spelling import plain
from smoothgates.tasks.math.verifier.formula.tokens import tokens
from smoothgates.tasks.math.verifier.formula.work import TooMuchWork, work
from smoothgates.tasks.math.verifier.notation import same_text
from smoothgates.tasks.task import Reason

_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED = re.compile(r"[-+$]*\d{1,3}(?: \d{3})+(?:\.\d+)?")
_SOLUTION = re.compile(r"\\boxed|[.!?]\s|\n")
_CENTS = re.compile(r"[-+$]*\d+,\d\d")
_DECIMAL_COMMA = re.compile(r"([-+$]*\d+),(?!0+$|\d{3}$)(\d+)")


def judge(golds: Sequence[str], answer: str) -> Reason:
    r"""Whether an answer equals any of the golds. What is not read as a formula is compared letter by letter.

    >>> judge([r"\frac{1}{2}"], "0.5"), judge(["42"], r"e^{|\infty|}"), judge(["42"], r"\frac{1}{")
    ('correct', 'wrong', 'unparsable')
    """
    if any(same_text(gold, answer) for gold in golds):
        return "correct"
    work.begin()
    try:
        found = readings(answer)
        for gold in golds:
            if any(same(ours, theirs) for ours, theirs in _pairs(gold, gold_readings(gold), answer, found)):
                return "correct"
            if _letters(gold) == _letters(answer) is not None:
                return "correct"
            if not gold_readings(gold) and same_text(final_answer(gold) or "", answer):
                return "correct"  # extraction cuts an answer that is prose as it cuts such a gold
    except TooMuchWork:
        return "timeout"
    except RecursionError:
        return "unparsable"
    return "wrong" if found else "unparsable"


def _pairs(gold: str, ours: tuple[Node, ...], answer: str, theirs: tuple[Node, ...]) -> Iterable[tuple[Node, Node]]:
    """The readings to compare. A gold's comma lists, but before two digits it may be a point too, beside a point."""
    if _DECIMAL_COMMA.fullmatch(gold.strip()):
        if _DECIMAL_COMMA.fullmatch(answer.strip()):
            return product(ours[:1], theirs[:1])
        if not _CENTS.fullmatch(gold.strip()):
            ours = ours[:1]
    return product(ours, theirs)


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Node, ...]:
    """The trees of a text: none if it is no formula, two where commas may group digits or list numbers."""
    text = text.strip()
    spellings = [text]
    if _SPACED.fullmatch(text):
        spellings = [text.replace(" ", "")]
    elif found := _DECIMAL_COMMA.fullmatch(text):
        spellings += [f"{found[1]}.{found[2]}"]
    elif _GROUPED.search(text) and not re.search(r", |[(\[]|\\\{", text):
        grouped = _GROUPED.sub(lambda found: found[0].replace(",", "\u02cc"), text)
        spellings = [grouped] if ",0" in text else [grouped, text]
    found = []
    for spelling in spellings:
        try:
            found.append(read(spelling))
        except Unreadable:
            continue
    return tuple(found)


@lru_cache(maxsize=4096)
def gold_readings(gold: str) -> tuple[Node, ...]:
    """The same for a gold, which may be a whole solution: its box, or the last formula of its sentences.

    A gold of less than a sentence says all that it says: "f(x)=ax+b, where f(0)=0" is not 0.
    """
    found = () if r"\boxed" in gold else readings(gold)
    if not found and _SOLUTION.search(gold) and (inner := final_answer(gold)) and inner != gold:
        found = readings(inner)
    return found or readings(gold.rpartition(r"\boxed{")[2])


@lru_cache(maxsize=4096)
def _letters(text: str) -> str | None:
    """All but the spaces of a text that is no formula; None if it is one, or has signs that formulas have not."""
    try:
        written = [token.text for token in tokens(plain(text))]
    except Unreadable:
        return None
    return None if readings(text) else " ".join(written)
