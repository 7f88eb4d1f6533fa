"""What writes completions, whoever implements it. Token ids go in and come out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

Respond = Callable[[list[int], list[list[int]]], list[list[int] | None]]
"""Completions, and the ids that the policy wrote in each since its last reply → ids of each reply: [] if the turn has
not ended, None if the completion has."""


@dataclass(frozen=True)
class Tools:
    """What may be inserted into completions."""

    respond: Respond
    watched: Tensor
    """(vocabulary,) true for ids that can end a turn: `respond` is asked after these alone."""
    room: int
    """Most tokens that may be inserted into one completion."""

    def watches(self, ids: Tensor) -> Tensor:
        """Which ids are watched. A model may have more ids than its tokenizer has texts for."""
        known = ids < len(self.watched)
        return known & self.watched[ids.where(known, 0)]


@dataclass(frozen=True)
class Completions:
    """Sampled tokens, right-padded to the longest; rows in prompt order, samples of a prompt side by side."""

    ids: Tensor
    """(B, W) token ids, the end token and the tools' replies included."""
    logp: Tensor
    """(B, W) log-probability of each under the policy at temperature 1, nats; 0 where the policy did not sample."""
    mask: Tensor
    """(B, W) true on sampled tokens, never on replies. Never inferred from ids: the padding id may also be sampled."""
    lengths: Tensor
    """(B,) tokens of each row, replies included."""
    truncated: Tensor
    """(B,) true where the limit came before an end."""
    entropy: Tensor | None = None
    """(B, W) entropy of the distribution that each came from, nats; 0 where the policy did not sample. None where the
    sampler does not tell."""


class Sampler(Protocol):
    """Writes completions with the weights that it was last given."""

    def sample(
        self,
        prompts: list[list[int]],
        samples: int,
        max_new_tokens: int,
        ends: list[int],
        generator: torch.Generator,
        temperature: float = 1.0,
        tools: Tools | None = None,
    ) -> Completions:
        """`samples` completions of each prompt, of at most `max_new_tokens` sampled tokens.

        A completion ends with a sampled token of `ends`, or when a tool says so. Temperature 0 takes the likeliest
        token. Raises BadInput where prompt and completion would not fit into the policy's positions.
        """

    def score(self, rows: list[list[int]]) -> list[list[float]]:
        """Log-probability of each token of some rows but their first, given those before it."""

    def load(self, folder: Path) -> None:
        """Go on with the weights of a policy folder, which stays as it is until the next one."""

    def rest(self) -> None:
        """Leave the accelerator's memory to the trainer until the next call of any other method."""

    def close(self) -> None:
        """Give back what it holds."""
