"""Distinct examples from a generator, split into training and held-out ones."""

import hashlib

from smoothgates.seeds import python_stream
from smoothgates.tasks.task import Example, Generator

HELDOUT_SHARE = 8
"""One pattern in this many is held out."""
IDLE = 500
"""After this many draws in a row without a new example, list all examples of the generator instead."""
PATIENCE = 20_000
"""After this many, a generator that cannot list its examples is assumed to have no more."""


def generated(generator: Generator, rows: int, heldout: bool, seed: int) -> list[Example]:
    """Return `rows` distinct examples of one side of the split, or all of them if there are fewer."""
    stream = generator.generate(python_stream(seed, "problems"))
    chosen: dict[str, Example] = {}
    idle, every = 0, generator.every
    while len(chosen) < rows:
        example, before = next(stream), len(chosen)
        if on_side(generator, example, heldout):
            chosen[example.id] = example
        idle = idle + 1 if len(chosen) == before else 0
        if idle == PATIENCE and not generator.every:
            break
        if idle == IDLE and every:
            side = [example for example in every() if on_side(generator, example, heldout)]
            if len(side) < rows:
                return side
            every = None  # there are enough: keep drawing
    return list(chosen.values())


def on_side(generator: Generator, example: Example, heldout: bool) -> bool:
    """Return whether an example is on this side of the split. Its pattern decides, not the seed."""
    hashed = hashlib.md5(generator.pattern(example).encode(), usedforsecurity=False).digest()
    return (int.from_bytes(hashed, "big") % HELDOUT_SHARE == 0) == heldout
