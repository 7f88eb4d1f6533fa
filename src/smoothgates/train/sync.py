"""Copies the trainer's weights to the sampler, and proves that they have arrived.

A sampler that silently keeps old weights invalidates a run: its completions look plausible, and only the gap between
two log-probabilities shows it. So after each copy, trainer and sampler score the same probe.
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
"""Mean absolute difference of the two sides' log-probabilities, in nats, that rounding may cause. Measured: about 10⁻⁷
in single precision, a few hundredths in bfloat16 between two implementations; another policy differs by 1 or more."""
MOVED = 1e-3
"""If the trainer's log-probabilities have moved by this much on average, the sampler's must have moved, too. One update
of a large model is smaller than bfloat16's tolerance; only this check shows that it is missing."""
PROBE_PROMPTS = 4
"""Prompts in the probe. Their own tokens are scored."""


def make_sync(
    engine: Engine,
    sampler: Sampler,
    dtype: str,
    prompts: list[list[int]],
    new_folder: Callable[[], Path],
    like: Path,
) -> Callable[[int], None]:
    """Return a function that copies the engine's weights to the sampler if they have changed.

    All ranks must call it, with the number of optimiser steps taken so far.

    Args:
        dtype: of the engine's activations; it chooses the tolerance.
        prompts: token ids of the probe, at least two each.
        new_folder: returns an empty folder for the weights, on a disk that all ranks can read; called by rank 0.
        like: folder of the policy that the sampler started with; its other files are copied along.
    """
    if isinstance(sampler, TorchSampler) and sampler.policy is engine.policy:
        return lambda steps: None
    return Sync(engine, sampler, dtype, prompts, new_folder, like)


class Sync:
    """See `make_sync`."""

    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        dtype: str,
        prompts: list[list[int]],
        new_folder: Callable[[], Path],
        like: Path,
    ):
        self.engine, self.sampler, self.tolerance = engine, sampler, TOLERANCE[dtype]
        self.prompts, self.new_folder, self.like = prompts, new_folder, like
        self.copied_at = 0
        """Optimiser steps behind the weights that the sampler has."""
        self.last: tuple[list[float], list[float]] | None = None
        """The result of `probe` at the last call."""

    def __call__(self, steps: int) -> None:
        """Raises AssertionError on all ranks if a sampler does not have the weights."""
        changed = self.copied_at != steps
        if changed:
            self.copy()
            self.copied_at = steps
        found = self.probe()
        gap, before, self.last = mean_gap(*found), self.last, found
        wrong = None
        if changed and before and found[1] == before[1] and mean_gap(found[0], before[0]) > MOVED:
            wrong = "have not moved with the trainer's"
        elif gap > self.tolerance:
            wrong = f"are off by {gap:.2g} on average"
        for rank, each in enumerate(self.engine.ranks.gather(wrong)):
            if each:
                raise AssertionError(
                    f"the sampler of rank {rank} does not have the trainer's weights: its log-probabilities {each}"
                )

    def copy(self) -> None:
        """Copy the engine's weights to the sampler of every rank, through one folder on disk."""
        ranks, weights = self.engine.ranks, self.engine.weights()
        folder = None
        with ranks.failing_together():
            if ranks.is_main:
                folder = str(self._write(weights))
        folder = Path(ranks.broadcast(folder))
        with ranks.failing_together():
            self.sampler.load(folder)

    def _write(self, weights: dict[str, Tensor]) -> Path:
        folder = self.new_folder()
        try:
            write_like(folder, weights, self.like)
        except OSError as error:
            raise TryAgain(f"{folder}: cannot be written ({error.strerror})") from None
        return folder

    def probe(self) -> tuple[list[float], list[float]]:
        """Log-probabilities of the probe's tokens, by the trainer and by the sampler."""
        lengths = torch.tensor([len(row) for row in self.prompts])
        ids = pad_sequence([torch.tensor(row) for row in self.prompts], batch_first=True)
        with torch.no_grad():
            logp, _ = self.engine.score(ids, torch.ones_like(lengths), lengths - 1)
        with self.engine.ranks.failing_together():
            theirs = self.sampler.score(self.prompts)
        ours = [x for row, length in zip(logp.tolist(), lengths.tolist(), strict=True) for x in row[: length - 1]]
        return ours, [x for row in theirs for x in row]


def mean_gap(a: list[float], b: list[float]) -> float:
    """Mean absolute difference; infinite if a number is NaN, which means that not all weights are finite.

    >>> mean_gap([1.0, 2.0], [1.5, 2.0]), mean_gap([1.0], [float("nan")])
    (0.25, inf)
    """
    gap = sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)
    return math.inf if math.isnan(gap) else gap
