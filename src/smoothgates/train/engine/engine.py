"""The interface of an engine, which computes gradients and takes optimiser steps."""

from typing import NamedTuple, Protocol

from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.policy import Policy


class Sequences(NamedTuple):
    """Rows of prompt + completion, the arguments of `Engine.score`."""

    ids: Tensor
    """(N, T) right-padded."""
    starts: Tensor
    """(N,) first completion position."""
    lengths: Tensor
    """(N,) completion tokens."""

    def select(self, rows: Tensor) -> "Sequences":
        """Some rows (n,), cut to the longest of them."""
        ends = self.starts[rows] + self.lengths[rows]
        return Sequences(self.ids[rows, : int(ends.max())], self.starts[rows], self.lengths[rows])


class Engine(Protocol):
    """Trains a policy on one or several ranks. All ranks must call each method together."""

    ranks: Ranks
    policy: Policy

    def score(self, ids: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Scorer.forward`. Runs on the engine's device, with a gradient unless torch disables gradients."""

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add the gradient of one micro-batch's loss. `last`: whether `step` follows.

        The losses of all micro-batches and ranks must add up to the loss of the update.
        """

    def step(self, rate: float) -> float:
        """Take an optimiser step at `rate` times the peak learning rate, and clear the gradient.

        Returns the gradient's norm before clipping. If that is not finite, no step is taken.
        """

    def weights(self) -> dict[str, Tensor]:
        """All weights by their Hugging Face names, in main memory, on rank 0; an empty mapping on other ranks."""

    def tensors(self) -> dict[str, Tensor]:
        """This rank's part of the weights and the optimiser state, for a checkpoint."""

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` returned on this rank. The number of ranks must be the same."""
