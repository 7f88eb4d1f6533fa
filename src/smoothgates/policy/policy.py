"""The interface that the trainer needs of a policy: the compact decoder or a model of transformers implements it."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

Keep = Callable[[Tensor], Tensor]
"""Selects positions, (B, T, H) → (…, H)."""


class Policy(Protocol):
    """A torch module. Shapes: B sequences, T tokens, N tokens of packed sequences, H hidden, V vocabulary."""

    @property
    def head(self) -> Tensor:
        """The output matrix (V, H). Read it only within a forward pass: an engine may shard it."""

    def hidden(self, ids: Tensor, keep: Keep | None = None) -> Tensor:
        """Final hidden states (B, T, H) of right-padded token ids (B, T), or (…, H) of the positions kept."""

    def packed(self, ids: Tensor, lengths: list[int]) -> Tensor:
        """Final hidden states (N, H) of packed sequences (N,) of these lengths, which do not see each other."""
