"""The verdict on one answer: read it, read the golds, compare. Equal inputs always give equal verdicts."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product

from smoothgates.tasks.math.verifier.extract import final_answer
from smoothgates.tasks.math.verifier.formula.budget import TooMuchWork, budget
from smoothgates.tasks.math.verifier.formula.errors import Unreadable
from smoothgates.tasks.math.verifier.formula.nodes import Node
from smoothgates.tasks.math.verifier.formula.reader import read
from smoothgates.tasks.math.verifier.formula.spelling import plain
from smoothgates.tasks.math.verifier.formula.statements import same
from smoothgates.tasks.math.verifier.formula.tokens import tokens
from smoothgates.tasks.math.verifier.notation import same_text
from smoothgates.tasks.task import Reason

_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED = re.compile(r"[-+$]*\d{1,3}(?: \d{3})+(?:\.\d+)?")
_SOLUTION = re.compile(r"\\boxed|[.!?]\s|\n")
_CENTS = re.compile(r"[-+$]*\d+,\d\d")
_DECIMAL_COMMA = re.compile(r"([-+$]*\d+),(?!0+$|\d{3}$)(\d+)")


def judge(golds: Sequence[str], answer: str) -> Reason:
    r"""Return whether an answer equals any gold. Texts that are not formulas are compared letter by letter.

    >>> judge([r"\frac{1}{2}"], "0.5"), judge(["42"], r"e^{|\infty|}"), judge(["42"], r"\frac{1}{")
    ('correct', 'wrong', 'unparsable')
    """
    if any(same_text(gold, answer) for gold in golds):
        return "correct"
    budget.begin()
    try:
        found = readings(answer)
        for gold in golds:
            if any(same(ours, theirs) for ours, theirs in _pairs(gold, gold_readings(gold), answer, found)):
                return "correct"
            if _letters(gold) == _letters(answer) is not None:
                return "correct"
            if not gold_readings(gold) and same_text(final_answer(gold) or "", answer):
                return "correct"  # the answer was extracted from prose, and so is this gold
    except TooMuchWork:
        return "timeout"
    except RecursionError:
        return "unparsable"
    return "wrong" if found else "unparsable"


def _pairs(gold: str, ours: tuple[Node, ...], answer: str, theirs: tuple[Node, ...]) -> Iterable[tuple[Node, Node]]:
    """Return the readings to compare. A gold's comma separates items; before two digits it may be a decimal point."""
    if _DECIMAL_COMMA.fullmatch(gold.strip()):
        if _DECIMAL_COMMA.fullmatch(answer.strip()):
            return product(ours[:1], theirs[:1])
        if not _CENTS.fullmatch(gold.strip()):
            ours = ours[:1]
    return product(ours, theirs)


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Node, ...]:
    """Return the trees of a text: none if it is no formula, two if its commas may group digits or separate numbers."""
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
    """Return the trees of a gold. Of a whole solution, these are the trees of its box or of its last formula.

    A gold shorter than a sentence is not reduced: "f(x)=ax+b, where f(0)=0" is not 0.
    """
    found = () if r"\boxed" in gold else readings(gold)
    if not found and _SOLUTION.search(gold) and (inner := final_answer(gold)) and inner != gold:
        found = readings(inner)
    return found or readings(gold.rpartition(r"\boxed{")[2])


@lru_cache(maxsize=4096)
def _letters(text: str) -> str | None:
    """Return the tokens of a text that is no formula; None for a formula, or for signs that formulas do not have."""
    try:
        written = [token.text for token in tokens(plain(text))]
    except Unreadable:
        return None
    return None if readings(text) else " ".join(written)
