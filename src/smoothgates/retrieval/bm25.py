"""BM25 by bm25s, memory-mapped. Lucene's variant: k1 1.5, b 0.75, Lucene's 33 English stop words, no stemming.

A process's own memory does not grow with the index: scores, words and passages are mapped from files. A dictionary of
the words of a large corpus would take gigabytes in every process. Instead, a word is found by the first 8 bytes of its
digest in a sorted array. The probability that any two of n words share these bytes, and so count as one word, is n² /
2⁶⁵: 3 in a million for 10 million words.

Building reads the corpus once and never holds its text, but bm25s holds all scores: 45 bytes for each distinct word of
each passage (measured over 12 million of them). The 21 million passages of Wikipedia 2018 have about 1.2 billion such
words, so they need some 55 GB. The time of a search grows with the number of passages: one core answered thousands of
queries a second over 14 thousand passages and 700 over 270 thousand; expect about 10 over 21 million.

Source: Lù, "BM25S" (2407.03618); Kamphuis et al. (ECIR 2020) on the variants.
"""

import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.retrieval.passages import Passage, Store, write_store

MAX_WORDS = 256
"""Largest number of words of a query that are used. It bounds the time of a search."""

PASSAGES, DIGESTS, COLUMNS = "passages.arrow", "digests.npy", "columns.npy"
_WORD = re.compile(r"\w+")


def build_bm25(passages: Iterable[Passage], folder: Path) -> int:
    """Write an index of the passages' titles and texts. Returns the number of passages.

    Raises BadInput if they contain no words.
    """
    import bm25s
    import numpy as np

    number: dict[str, int] = {}
    documents = [
        array("i", [number.setdefault(word, len(number)) for word in words(f"{p.title} {p.text}")])
        for p in write_store(folder / PASSAGES, passages)
    ]
    if not number:
        raise BadInput("corpus: expected words to search for, got none")
    scorer = bm25s.BM25()
    scorer.index((documents, number), create_empty_token=False, show_progress=False)
    scorer.vocab_dict = {}
    scorer.save(folder, show_progress=False)
    digests = np.fromiter(map(word_digest, number), np.uint64, len(number))
    order = np.argsort(digests, kind="stable")
    np.save(folder / DIGESTS, digests[order])
    np.save(folder / COLUMNS, order.astype(np.int32))
    return len(documents)


class Bm25Index:
    """An index that `build_bm25` wrote."""

    def __init__(self, folder: Path):
        import bm25s
        import numpy as np

        self._store = Store(folder / PASSAGES)
        self._scorer = bm25s.BM25.load(folder, mmap=True, load_vocab=False)
        self._digests, self._columns = (np.load(folder / name, mmap_mode="r") for name in (DIGESTS, COLUMNS))

    def search(self, queries: list[str], k: int) -> list[list[Passage]]:
        """The k best passages that share a word with the query, best first; ties in the order of the corpus."""
        return [[self._store[row] for row in self._best(query, k)] for query in queries]

    def _best(self, query: str, k: int) -> list[int]:
        import numpy as np

        asked = dict.fromkeys(islice(words(query), MAX_WORDS))
        digests = np.fromiter(map(word_digest, asked), np.uint64, len(asked))
        places = np.searchsorted(self._digests, digests).clip(max=len(self._digests) - 1)
        known = self._columns[places[self._digests[places] == digests]]
        scores = self._scorer.get_scores_from_ids(known)
        least = np.partition(scores, -k)[-k] if 0 < k < len(scores) else 0.0
        rows = np.flatnonzero((scores >= least) & (scores > 0))
        return rows[np.argsort(-scores[rows], kind="stable")][: max(k, 0)].tolist()


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case: runs of letters, digits and underscores, without stop words.

    >>> list(words("Who founded the city of Alû in 1901?"))
    ['who', 'founded', 'city', 'alû', '1901']
    """
    from bm25s.stopwords import STOPWORDS_EN

    return (word for match in _WORD.finditer(text.lower()) if (word := match[0]) not in STOPWORDS_EN)


def word_digest(word: str) -> int:
    """64 bits that identify a word."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
