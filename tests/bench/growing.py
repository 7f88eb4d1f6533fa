"""K9: what grows with what, from the facts of growth.py."""

import json
import subprocess
import sys
from collections.abc import Iterator

from .harness import Row


def measure() -> Iterator[Row]:
    """All rows. The measurement is a process of its own, as it measures its memory."""
    command = [sys.executable, "-m", f"{__package__}.growth"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")
    yield from rows(json.loads(done.stdout.splitlines()[-1]))


def rows(facts: dict) -> Iterator[Row]:
    """The straight line through the times of updates, and ratios of large to small for what is to stay flat."""
    tokens, small, large = facts["tokens"], facts["memory"][0], facts["memory"][-1]
    what = f"R² of a straight line through the times of updates on {tokens[0]:,} to {tokens[-1]:,} tokens"
    yield Row("K9", what, median=facts["line"]["r2"], repeats=1, target=">= 0.99")
    first, last = facts["history"]
    (few, earlier), (many, later) = list(facts["analysis"].items())[-2:]
    for what, unit, value, against, other in (
        (f"peak memory of an update on {large['rows']:,} rows, beyond the rollout's", "MiB", large["update_mib"],
         f"{small['rows']:,} rows", small["update_mib"]),
        ("a rollout and its update, at the end of a run", "ms", 1e3 * last, "at its start", 1e3 * first),
        (f"comparing ten methods with {many} seeds", "s", later, f"{few} seeds", earlier),
    ):  # fmt: skip
        yield Row("K9", what, unit, value, repeats=1, against=against, ratio=value / other)
