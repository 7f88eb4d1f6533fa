"""The interface of samplers, which write completions: token ids in, token ids out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from smoothgates.errors import BadInput

Respond = Callable[[list[int], list[list[int]]], list[list[int] | None]]
"""From the rows of completions, and the ids that the policy wrote in each since its last reply, to the ids of each
reply: [] if the turn has not ended, None if the completion has."""


@dataclass(frozen=True)
class Tools:
    """The tools of a batch of completions, as the sampler uses them."""

    respond: Respond
    watched: Tensor
    """(vocabulary,) true for ids that can end a turn. `respond` is called only after these."""
    room: int
    """Most tokens that replies can add to one completion."""

    def watches(self, ids: Tensor) -> Tensor:
        """Which of these ids are watched. A model may have more ids than its tokenizer."""
        known = ids < len(self.watched)
        return known & self.watched[ids.where(known, 0)]


@dataclass(frozen=True)
class SamplingParameters:
    """How completions are sampled. Sampling is unrestricted: no top-k, no top-p."""

    samples: int
    """Completions of each prompt at `temperature`."""
    max_new_tokens: int
    """Most sampled tokens of a completion. Replies do not count."""
    ends: tuple[int, ...]
    """Token ids that end a completion."""
    temperature: float = 1.0
    """0 takes the most likely token."""
    greedy: bool = False
    """Whether each prompt gets one more completion, after the others, at temperature 0."""

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Of each completion of a prompt."""
        return (self.temperature,) * self.samples + (0.0,) * self.greedy


@dataclass(frozen=True)
class Completions:
    """Sampled tokens, right-padded to the longest; rows in prompt order, completions of a prompt side by side."""

    ids: Tensor
    """(B, W) token ids, the end token and tools' replies included."""
    logp: Tensor
    """(B, W) log-probability of each sampled token under the policy at temperature 1, in nats; 0 on other tokens."""
    mask: Tensor
    """(B, W) true on sampled tokens, false on replies and padding. The ids do not tell: padding can also be sampled."""
    lengths: Tensor
    """(B,) tokens of each row, replies included."""
    truncated: Tensor
    """(B,) true where the limit came before an end."""
    entropy: Tensor | None = None
    """(B, W) entropy of the distribution of each sampled token, in nats; 0 on other tokens. None if the sampler
    does not compute it."""

    def of(self, rows: Tensor) -> "Completions":
        """These rows (n,)."""
        return Completions(**{name: value if value is None else value[rows] for name, value in vars(self).items()})


class Sampler(Protocol):
    """Samples completions with the weights that were loaded last."""

    def sample(
        self,
        prompts: list[list[int]],
        parameters: SamplingParameters,
        generator: torch.Generator,
        tools: Tools | None = None,
    ) -> Completions:
        """Completions of each prompt.

        A completion ends with a sampled end token, or when the tools end it. Raises BadInput if prompt and completion
        would need more positions than the policy has.
        """

    def score(self, rows: list[list[int]]) -> list[list[float]]:
        """Log-probability of each token of these rows but the first, given the tokens before it, in nats."""

    def load(self, folder: Path) -> None:
        """Use the weights of a policy folder, which must stay unchanged until the next call."""

    def rest(self) -> None:
        """Free the accelerator's memory for the trainer until another method is called."""

    def close(self) -> None:
        """Release all resources."""


def check_positions(positions: int, prompt: int, completion: int) -> None:
    """Raise BadInput unless a prompt and a completion of so many tokens fit into the policy's positions."""
    if prompt + completion > positions:
        raise BadInput(
            f"architecture.max_position_embeddings: {positions} is too few for prompts of up "
            f"to {prompt} tokens and completions of up to {completion}"
        )


def padded(rows: list[list], dtype: torch.dtype, fill: int = 0) -> Tensor:
    """Rows of different lengths as one tensor (B, W), right-padded.

    >>> padded([[1], [2, 3]], torch.long, 9).tolist()
    [[1, 9], [2, 3]]
    """
    return pad_sequence([torch.tensor(row, dtype=dtype) for row in rows], batch_first=True, padding_value=fill)
