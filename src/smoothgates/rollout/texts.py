"""Texts that a policy continues: prompts at first, then each grows by a token a step, and may part into several."""

from typing import Protocol

import torch
from torch import Tensor

from smoothgates.policy.decoder import Decoder
from smoothgates.rollout.next_token import NextToken
from smoothgates.rollout.prefixes import Prefixes


class Texts(Protocol):
    """Texts of equal length, and what follows them."""

    logits: Tensor
    """(texts, vocabulary) of the next token."""

    def grow(self, parents: Tensor, tokens: Tensor) -> None:
        """Replace the texts: the i-th is the old one `parents[i]` with `tokens[i]` (texts,) appended.

        `parents` (texts,) ascends. A text that is no parent is forgotten.
        """


class DecoderTexts:
    """Texts that the compact decoder continues. See `Texts`."""

    def __init__(self, policy: Decoder, prompts: list[list[int]], most: int, steps: int):
        """`most`: texts at any time. `steps`: most tokens to append."""
        self.policy, self.next_token = policy, NextToken(policy)
        self.slot = max(map(len, prompts))
        """The slot of the next token."""
        self.cache = Prefixes(policy.arch, len(prompts), max(most, len(prompts)), self.slot + steps)
        self.logits = self._prefill(prompts)

    def _prefill(self, prompts: list[list[int]]) -> Tensor:
        """Fill the cache with left-padded prompts. Returns the logits (prompts, vocabulary) of their next tokens."""
        width, count = self.slot, len(prompts)
        ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
        padding = torch.arange(width) < width - torch.tensor([[len(p)] for p in prompts])
        self.cache.bias[:count, ..., :width].masked_fill_(padding[:, None, None, None], -torch.inf)
        causal = torch.full((width, width), -torch.inf).triu(1)
        # A padding query may see itself, or its softmax would be 0/0.
        bias = (self.cache.bias[:count, ..., :width] + causal).masked_fill_(torch.eye(width, dtype=torch.bool), 0.0)
        return self.policy.logits(self.policy.hidden(ids, lambda x: x[:, -1], self.cache, 0, bias))

    def grow(self, parents: Tensor, tokens: Tensor) -> None:
        cache = self.cache
        cache.part(parents)
        ids = torch.zeros(cache.used, dtype=torch.long).index_copy_(0, cache.place, tokens)
        bias = cache.bias[: cache.used, ..., : self.slot + 1]
        self.logits = self.next_token.logits(ids, self.slot, bias, cache, cache.place)
        self.slot += 1
