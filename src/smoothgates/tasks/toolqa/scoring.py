"""Exact match and token F1 against several accepted answers, with SQuAD's normalisation.

As in the standard, there is no Unicode folding (NFC, NFKC), punctuation outside ASCII stays, and yes and no are words
like any other, so that numbers are comparable with published ones: "Beyoncé" with a combining accent differs from
"Beyoncé" with a composed letter, and "½" from "1/2".
Source: the evaluation script of SQuAD 1.1, which Search-R1 and open-instruct follow.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalise(text: str) -> str:
    """Return a text in lower case, without ASCII punctuation and English articles, with single spaces.

    Punctuation goes first and leaves no space, so "well-known" becomes one word.

    >>> normalise("  The Well-Known\\tA. B. Cook!")
    'wellknown b cook'
    """
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


class Match(NamedTuple):
    """How well a prediction matches the best of the golds, each between 0 and 1."""

    em: float
    """1 if it equals one of them after normalisation, else 0"""
    f1: float
    """harmonic mean of precision and recall over normalised words, with repetitions"""


def match(prediction: str, golds: Sequence[str]) -> Match:
    """Return exact match and token F1, reading each text once.

    Some golds consist of articles and punctuation only ("," in NQ, "The The"). Normalised, they would equal an empty
    prediction, so they are compared as written, except for case and white space.

    >>> match("the Eiffel tower.", ["Tour Eiffel", "Eiffel Tower"])
    Match(em=1.0, f1=1.0)
    >>> match("...", [","]).em, match("the the", ["The The"]).em, round(match("hello world", ["hello"]).f1, 3)
    (0.0, 1.0, 0.667)
    """
    ours = _words(prediction)
    found = [Match(float(ours == theirs), _f1(ours, theirs)) for theirs in map(_words, golds)]
    return Match(max((em for em, _ in found), default=0.0), max((f1 for _, f1 in found), default=0.0))


class _Words(NamedTuple):
    normalised: list[str]
    written: list[str]
    """only where normalisation leaves no word"""


def _words(text: str) -> _Words:
    normalised = normalise(text).split()
    return _Words(normalised, [] if normalised else text.lower().split())


def _f1(ours: _Words, theirs: _Words) -> float:
    if ours == theirs:
        return 1.0
    shared = (Counter(ours.normalised) & Counter(theirs.normalised)).total()
    return 2 * shared / (len(ours.normalised) + len(theirs.normalised)) if shared else 0.0
