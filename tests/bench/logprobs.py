"""K2: log-probabilities of tokens over a large vocabulary, forward and backward: ours, TRL's and Liger's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from .harness import Row, alternate, clock, summary
from .memory import CHUNK, WAYS, problem

NAMES = {
    "full": "full logits",
    "chunked": "chunked",
    "trl_selective": "TRL, full logits",
    "trl_chunked": "TRL, chunked",
    "liger": "Liger, chunked, without entropy",
}
NEEDED = {"trl_selective": "trl", "trl_chunked": "trl", "liger": "liger_kernel"}
TARGETS = {"MiB": "<= 0.125", "s": "<= 1.15"}
"""Of ours, chunked, beside full logits."""
APART = 1e-4
"""Largest relative difference of checksums of values and gradients."""


def measure(
    tokens: int = 4096, timed: int = 512, hidden: int = 64, vocabulary: int = 151_936, repeats: int = 3
) -> Iterator[Row]:
    """Peak memory for some tokens, each way in its own process; then the time for fewer, all ways in turns."""
    ways = {kind: way for kind, way in WAYS.items() if kind not in NEEDED or find_spec(NEEDED[kind])}
    cells = {kind: cell(kind, tokens, hidden, vocabulary) for kind in ways}
    for kind, found in cells.items():
        apart = max(abs(a - b) / abs(b) for a, b in zip(found["sums"], cells["full"]["sums"], strict=False))
        if apart > APART:
            raise RuntimeError(f"{NAMES[kind]}: values or gradients differ from those of full logits by {apart:.1e}")
    yield from compare("MiB", tokens, {kind: [extra(found)] for kind, found in cells.items()})

    states, head, targets, factors = problem(timed, hidden, vocabulary)

    def both(kind: str) -> None:
        logp, _ = ways[kind](states, head, targets, CHUNK)
        torch.autograd.grad((logp * factors).sum(), (states, head))

    times = alternate({kind: lambda kind=kind: both(kind) for kind in ways}, repeats, clock())
    yield from compare("s", timed, times)


def compare(unit: str, tokens: int, found: dict[str, list[float]]) -> Iterator[Row]:
    """A row for each way, beside full logits."""
    what = {"MiB": "peak extra memory", "s": "time"}[unit]
    for kind, name in NAMES.items():
        fields = {"part": "K2", "what": f"{name}: {what}, {tokens:,} tokens", "unit": unit}
        target = TARGETS[unit] if kind == "chunked" else ""
        if kind not in found:
            yield Row(**fields, note=f"not run: needs {NEEDED[kind]}, as make bench has it")
        elif kind == "full":
            yield summary(found[kind], **fields)
        else:
            yield summary(found[kind], found["full"], **fields, against=NAMES["full"], target=target)


def extra(found: dict) -> float:
    """Peak memory in MiB beyond the gradients, which every way must return."""
    return max(found["extra_mib"] - found["gradients_mib"], 0.0)


def cell(kind: str, *size: int) -> dict:
    """One way in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent / "memory.py"), kind, *map(str, size)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{NAMES[kind]}: exit status {done.returncode} {done.stderr.strip().rpartition(chr(10))[2]}")
    return json.loads(done.stdout)
