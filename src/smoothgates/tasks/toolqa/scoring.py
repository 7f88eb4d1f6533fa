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

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalise(text: str) -> str:
    """Return a text in lower case, without ASCII punctuation and English articles, with single spaces.

    Punctuation goes first and leaves no space, so "well-known" becomes one word.

    >>> normalise("  The Well-Known\\tA. B. Cook!")
    'wellknown b cook'
    """
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """Return 1 if the prediction equals one of the golds after normalisation, else 0.

    Some golds consist of articles and punctuation only ("," in NQ, "The The"). Normalised, they would equal an empty
    prediction, so they are compared as written, except for case and white space.

    >>> exact_match("the Eiffel tower.", ["Tour Eiffel", "Eiffel Tower"])
    1.0
    >>> exact_match("...", [","]), exact_match("the the", ["The The"])
    (0.0, 1.0)
    """
    return float(any(_equal(prediction, gold) for gold in golds))


def token_f1(prediction: str, golds: Sequence[str]) -> float:
    """Return the harmonic mean of precision and recall over normalised words, with repetitions; the best of the golds.

    >>> round(token_f1("hello world", ["goodbye", "hello"]), 3)
    0.667
    """
    return max((_f1(prediction, gold) for gold in golds), default=0.0)


def _equal(prediction: str, gold: str) -> bool:
    ours, theirs = normalise(prediction), normalise(gold)
    return ours == theirs and (ours != "" or prediction.lower().split() == gold.lower().split())


def _f1(prediction: str, gold: str) -> float:
    ours, theirs = Counter(normalise(prediction).split()), Counter(normalise(gold).split())
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total()) if shared else float(_equal(prediction, gold))
