"""What the trainer needs of a policy, whoever implements it: the compact decoder, or a model of transformers."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

Keep = Callable[[Tensor], Tensor]
"""Selects the positions whose states are wanted, (B, T, H) → (…, H)."""


class Policy(Protocol):
    """A torch module. Shapes: B sequences, T tokens, N tokens of sequences laid end to end, H hidden, V vocabulary."""

    @property
    def head(self) -> Tensor:
        """The output matrix (V, H). Only to be read within a forward pass: an engine may have it divided."""

    def hidden(self, ids: Tensor, keep: Keep | None = None) -> Tensor:
        """Final hidden states (B, T, H) of right-padded token ids (B, T); of the positions that are kept."""

    def packed(self, ids: Tensor, lengths: list[int]) -> Tensor:
        """Final hidden states (N, H) of sequences of these lengths laid end to end (N,), none of which sees another."""
