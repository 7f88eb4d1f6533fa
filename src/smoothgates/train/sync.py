"""The trainer's weights into the sampler, and the proof that they have arrived.

Samplers that silently went on with old weights have spoiled other trainers' runs: completions look plausible, and only
the gap between two log-probabilities tells. So each time, both sides score the same probe.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from smoothgates.errors import TryAgain
from smoothgates.policy.save import write_like
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.train.engine.engine import Engine

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1}
"""Mean difference of the two sides' log-probabilities, in nats, that rounding may cause. In single precision it is some
10⁻⁷ as measured. In bfloat16 a few hundredths are usual between two implementations; another policy makes it 1 or more.
"""
MOVED = 1e-3
"""If the trainer's log-probabilities have moved by so much on average, then some bit of the sampler's must have: single
updates of a large model are smaller than bfloat16's tolerance, and only this shows that they are missing."""
PROBE = 4
"""Prompts in the probe: their own tokens are scored, text that a policy knows how to weigh."""


def make_sync(
    engine: Engine,
    sampler: Sampler,
    dtype: str,
    prompts: list[list[int]],
    place: Callable[[], Path],
    like: Path,
    steps: Callable[[], int],
) -> Callable[[], None]:
    """What gives the engine's weights to the sampler if they have changed; to be called by all ranks.

    prompts: token ids, at least two each; the first are the probe. place: makes an empty folder for the weights, on a
    disk that all ranks see; called by rank 0. like: the policy that the sampler began with, whose other files go along.
    steps: optimiser steps taken since then.
    """
    if isinstance(sampler, TorchSampler) and sampler.policy is engine.policy:
        return lambda: None
    return Sync(engine, sampler, dtype, prompts[:PROBE], place, like, steps)


class Sync:
    """See `make_sync`."""

    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        dtype: str,
        probe: list[list[int]],
        place: Callable[[], Path],
        like: Path,
        steps: Callable[[], int],
    ):
        self.engine, self.sampler, self.dtype, self.probe = engine, sampler, dtype, probe
        self.place, self.like, self.steps = place, like, steps
        self.held = 0
        """Steps after which the engine had the weights that the sampler was last given."""
        self.last: tuple[list[float], list[float]] | None = None
        """Log-probabilities of the probe at the last call, the trainer's and the sampler's."""

    def __call__(self) -> None:
        """Raises AssertionError, on all ranks, where a sampler does not hold the weights."""
        changed = self.held != self.steps()
        if changed:
            self.give()
        found = self.probed()
        gap, before, self.last = mean_gap(*found), self.last, found
        wrong = None
        if changed and before and found[1] == before[1] and mean_gap(found[0], before[0]) > MOVED:
            wrong = "have not moved with the trainer's"
        elif gap > TOLERANCE[self.dtype]:
            wrong = f"are off by {gap:.2g} on average"
        for rank, each in enumerate(self.engine.ranks.gather(wrong)):
            if each:
                raise AssertionError(
                    f"the sampler of rank {rank} does not hold the trainer's weights: its log-probabilities {each}"
                )

    def give(self) -> None:
        """The engine's weights to every rank's sampler."""
        ranks, weights = self.engine.ranks, self.engine.weights()
        folder = None
        with ranks.as_one():
            if ranks.leads:
                folder = str(self.write(weights))
        folder = Path(ranks.first(folder))
        with ranks.as_one():
            self.sampler.load(folder)
        self.held = self.steps()

    def write(self, weights: dict[str, Tensor]) -> Path:
        """Into one folder, always the same: each rank reads it once, from a fast disk or from memory."""
        folder = self.place()
        try:
            write_like(folder, weights, self.like)
        except OSError as error:
            raise TryAgain(f"{folder}: cannot be written ({error.strerror})") from None
        return folder

    def probed(self) -> tuple[list[float], list[float]]:
        """Log-probabilities of the probe's tokens, the trainer's and the sampler's."""
        lengths = torch.tensor([len(row) for row in self.probe])
        ids = pad_sequence([torch.tensor(row) for row in self.probe], batch_first=True)
        with torch.no_grad():
            logp, _ = self.engine.score(ids, torch.ones_like(lengths), lengths - 1)
        with self.engine.ranks.as_one():
            theirs = self.sampler.score(self.probe)
        ours = [x for row, length in zip(logp.tolist(), lengths.tolist(), strict=True) for x in row[: length - 1]]
        return ours, [x for row in theirs for x in row]


def mean_gap(a: list[float], b: list[float]) -> float:
    """Mean absolute difference; infinite where a number is missing, as not all weights are finite then.

    >>> mean_gap([1.0, 2.0], [1.5, 2.0]), mean_gap([1.0], [float("nan")])
    (0.25, inf)
    """
    gap = sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)
    return math.inf if math.isnan(gap) else gap
