"""Keys and values of texts that grow by a token at a time, where many texts have begun alike.

Texts that are equal so far are one row. A row is copied only when its texts part. Prompts are left-padded: the index of
a slot is its rotary position, and attention depends on differences of positions only.
"""

import torch
from torch import Tensor

from smoothgates.policy.decoder import Cache
from smoothgates.specs.architecture import Architecture

SHRINK = 0.7
"""Rows move together once fewer than this share of them is in use: moving takes time too."""


class Prefixes(Cache):
    """For each layer keys (rows, kv heads, head size, slots) and values (slots, rows, kv heads, head size).

    Of the orders of axes, these take least time to write and to multiply.
    """

    def __init__(self, arch: Architecture, prompts: int, most: int, slots: int):
        """`prompts`: rows at first. `most`: rows at any time."""
        heads, size = arch.num_key_value_heads, arch.head_size
        layers = range(arch.num_hidden_layers)
        self.keys = [torch.empty(most, heads, size, slots) for _ in layers]
        self.values = [torch.empty(slots, most, heads, size) for _ in layers]
        self.bias = torch.zeros(most, 1, 1, 1, slots)
        """-∞ at the padding of a row's prompt."""
        self.used = prompts
        """Rows from the first one that are computed; some may be in use no more."""
        self.filled = 0
        """Slots from the first one that are written."""
        self.place = torch.arange(prompts)
        """(texts,) the row of each text."""

    def part(self, parents: Tensor) -> None:
        """Replace the texts by copies: of text `parents[i]` for each i. `parents` (texts,) ascends."""
        first = torch.ones(len(parents), dtype=torch.bool)
        first[1:] = parents[1:] != parents[:-1]
        later = (~first).nonzero().squeeze(1)
        if len(parents) == len(self.place) and not len(later):
            return
        self.place = self.place[parents]
        if len(parents) < SHRINK * self.used:
            self.used = len(parents)
            rows = torch.arange(self.used)
            self._copy(self.place, rows)
            self.place = rows
        elif len(later):
            self.used = max(self.used, len(parents))
            free = torch.ones(self.used, dtype=torch.bool).index_fill_(0, self.place[first], False)
            rows = free.nonzero().squeeze(1)[: len(later)]
            self._copy(self.place[later], rows)
            self.place[later] = rows

    def _copy(self, source: Tensor, target: Tensor) -> None:
        for rows in (*self.keys, self.bias):
            rows.index_copy_(0, target, rows.index_select(0, source))
        for slots in self.values:
            slots[: self.filled].index_copy_(1, target, slots[: self.filled].index_select(1, source))

    def attend(self, layer: int, start: int, bias: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Cache.attend`. The batch is the first B rows."""
        batch, heads, length, size = q.shape
        kv_heads, end = k.shape[1], start + length
        self.filled = end
        keys, values = self.keys[layer][:batch], self.values[layer][:end, :batch]
        keys[..., start:end], values[start:] = k.transpose(2, 3), v.permute(2, 0, 1, 3)
        # Queries that share a key head are stacked. `bmm`, because `@` would copy what it multiplies.
        q = (q * size**-0.5).reshape(batch * kv_heads, -1, size)
        scores = torch.bmm(q, keys[..., :end].flatten(0, 1)).view(batch, kv_heads, -1, length, end).add_(bias)
        weights = scores.softmax(-1).view(batch * kv_heads, -1, end)
        return torch.bmm(weights, values.flatten(1, 2).transpose(0, 1)).view(batch, heads, length, size)
