"""How much of a benchmark is in the training data: prompts with equal texts, or with 13 consecutive words in common."""

import re
from collections import defaultdict
from collections.abc import Iterable

WORDS = 13
"""Length of the n-grams, as in GPT-3 (2005.14165, appendix C)."""
COMMON = 10
"""An n-gram that occurs in more training prompts than this is a phrase ("where m and n are relatively prime positive
integers") and does not count (also GPT-3's rule). Generated puzzles still share long stretches, such as the names of
four people: for them, only `exact` is informative."""
LISTED = 5
"""How many prompts `first` lists."""

_WORD = re.compile(r"\w+")


def overlap(train: Iterable[str], benchmark: Iterable[str]) -> dict:
    """Count prompts: `train`, `benchmark`, benchmark prompts that are also training prompts (`exact`) and those that
    share an n-gram with one (`ngram`). `first` lists the indices, from 0, of the first few of either kind.

    Case, punctuation and white space are ignored. A prompt of fewer than 13 words can only match exactly. Only the
    n-grams of the benchmark are held in memory, as 64-bit hashes.

    >>> asked = "How many of the clips did Natalia sell altogether in April and in May?"
    >>> overlap([asked.upper()], [asked, "How many clips?"])
    {'train': 1, 'benchmark': 2, 'exact': 1, 'ngram': 1, 'first': [0]}
    """
    texts: dict[int, list[int]] = defaultdict(list)
    grams: dict[int, list[int]] = defaultdict(list)
    count = -1
    for count, prompt in enumerate(benchmark):
        words = _WORD.findall(prompt.casefold())
        texts[hash(tuple(words))].append(count)
        for gram in _grams(words):
            grams[gram].append(count)
    trained = 0
    exact: set[int] = set()
    seen: dict[int, int] = defaultdict(int)
    for prompt in train:
        trained += 1
        words = _WORD.findall(prompt.casefold())
        exact.update(texts.get(hash(tuple(words)), ()))
        for gram in _grams(words) & grams.keys():
            seen[gram] += 1
    shared = {index for gram, prompts in seen.items() if prompts <= COMMON for index in grams[gram]}
    return {
        "train": trained,
        "benchmark": count + 1,
        "exact": len(exact),
        "ngram": len(shared),
        "first": sorted(exact | shared)[:LISTED],
    }


def _grams(words: list[str]) -> set[int]:
    """Return hashes of all stretches of 13 words. They are equal within one process only: Python salts them."""
    return {hash(tuple(words[i : i + WORDS])) for i in range(len(words) - WORDS + 1)}
