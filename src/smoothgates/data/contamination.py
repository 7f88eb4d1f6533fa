"""How much of a benchmark was trained on, judged by its prompts: the same text, or 13 words in a row in common."""

import re
from collections import defaultdict
from collections.abc import Iterable

WORDS = 13
"""Length of the n-grams, as in GPT-3 (2005.14165, appendix C)."""
COMMON = 10
"""N-grams of more training prompts than this are phrases ("where m and n are relatively prime positive integers"),
not problems, and do not count (GPT-3's rule as well). Puzzles that a program wrote still share long stretches, such as
the names of four people in a row: there, `exact` is what tells."""
LISTED = 5

_WORD = re.compile(r"\w+")


def overlap(train: Iterable[str], benchmark: Iterable[str]) -> dict:
    """Numbers of prompts: `train`, `benchmark`, and of the benchmark those that stand in train (`exact`), and those
    that share an n-gram with it (`ngram`). `first` lists the places, from 0, of the first few of either kind.

    Case, punctuation and white space make no difference. A prompt of fewer than 13 words can only be found exactly.
    The n-grams of the benchmark are held in memory, as 64-bit hashes; those of the training prompts pass by.

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
    shared = {place for gram, prompts in seen.items() if prompts <= COMMON for place in grams[gram]}
    return {
        "train": trained,
        "benchmark": count + 1,
        "exact": len(exact),
        "ngram": len(shared),
        "first": sorted(exact | shared)[:LISTED],
    }


def _grams(words: list[str]) -> set[int]:
    """Hashes of the stretches of 13 words. Equal within one process only: Python salts the hash of a text."""
    return {hash(tuple(words[i : i + WORDS])) for i in range(len(words) - WORDS + 1)}
