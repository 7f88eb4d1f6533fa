"""K3: one RL step beside TRL's, from the facts of step.py."""

from collections.abc import Iterator
from importlib import import_module

from .harness import Row

TARGETS = {"whole step": ">= 1.5", "generation": ">= 2.5", "ragged": ">= 2.2", "peak memory": "<= 0.65"}
"""By the first words of what is measured. Times are compared as speeds, memory as it is."""


def measure() -> Iterator[Row]:
    """All rows: equal and ragged lengths, on one thread and on two."""
    yield from rows(import_module("tests.bench.step").rows())


def rows(facts: list[dict]) -> Iterator[Row]:
    """`ours` and `theirs` of each fact, in its unit, as rows."""
    for fact in facts:
        what, unit, ours, theirs = (fact[key] for key in ("what", "unit", "ours", "theirs"))
        if "apart" in fact:
            yield Row("K3", what, note=f"equal to {fact['apart']:.0e}")
            continue
        target = next((target for begin, target in TARGETS.items() if what.startswith(begin)), "")
        fields = {"against": "TRL", "target": target}
        if unit == "MiB":
            yield Row("K3", what, unit, ours, repeats=1, ratio=ours / theirs, **fields)
        elif "ratio" not in fact:
            yield Row(
                "K3", what, unit, theirs, repeats=1, note=f"a whole step of ours takes {ours / theirs:.1f} times this"
            )
        else:
            low, high = fact["spread"]
            note = f"{ours:.3f} s, TRL {theirs:.3f} s; quartiles of the ratio {low:.2f} to {high:.2f}"
            yield Row("K3", what, "1/s", 1 / ours, ratio=fact["ratio"], note=note, **fields)
