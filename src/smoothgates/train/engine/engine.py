"""What the loop needs of an engine."""

from typing import Protocol

from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.policy import Policy


class Engine(Protocol):
    """Trains a policy, on one or several ranks; every method is to be called by all of them."""

    ranks: Ranks
    policy: Policy

    def score(self, ids: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`Scorer.forward` on this engine's device; with a gradient where torch computes gradients."""

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add the gradient of this rank's part of the loss, all parts of which add up; `last` before a step."""

    def step(self, rate: float) -> float:
        """Take an optimiser step at `rate` times the peak learning rate, and forget the gradient.

        Returns the gradient's norm before clipping. The step is taken only if that is finite.
        """

    def weights(self) -> dict[str, Tensor]:
        """All weights in main memory, by Hugging Face's names, on rank 0; others get an empty mapping."""

    def tensors(self) -> dict[str, Tensor]:
        """This rank's part of weights and optimiser, for a checkpoint."""

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` gave on this one of as many ranks."""
