"""Progress of long work: a bar on a terminal, otherwise a line now and then."""

import os
import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], what: str) -> Iterator[T]:
    """Yield the items and show the progress on stderr, in about ten lines of a log file. Only rank 0 shows it."""
    if os.environ.get("RANK", "0") != "0":
        yield from items
        return
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=what, leave=False)
        return
    total = len(items) if isinstance(items, Sized) else 0
    every = max(1, total // 10)
    for i, item in enumerate(items, start=1):
        yield item
        if i % every == 0 or i == total:
            print(f"{what}: {i}/{total}", file=sys.stderr, flush=True)
