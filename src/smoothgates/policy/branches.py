"""Rows that begin with the same prompt, computed as branches of it: each distinct prompt once, and no padding.

The completions of a group share their prompt. Everything but attention is computed for the tokens end to end, prompts
first; in attention a completion sees its prompt's keys and values, and its own up to each token. Gradients of a prompt
add up from its branches. Shapes: B rows, U distinct prompts, N tokens in all, n tokens of one kind.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.policy.decoder import Decoder

LONGEST = 512
"""Most tokens of a completion. The mask of a longer one would take more memory than its padding does."""


def branched_states(policy: Decoder, ids: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Final hidden states (n, H) from which the tokens of all completions are predicted, row by row.

    ids: rows of prompt + completion (B, T). starts: first completion position of each row (B,). lengths: completion
    tokens of each row (B,). The last token of a completion is not computed, as it predicts none.
    """
    branches = Branches(ids, starts, lengths)
    return policy.flat(branches.ids, branches.places, branches.attend).index_select(0, branches.before)


class Branches:
    """How the tokens of some rows lie end to end: those of the distinct prompts, then those of the completions."""

    def __init__(self, ids: Tensor, starts: Tensor, lengths: Tensor):
        found: dict[tuple[int, ...], int] = {}
        group, firsts = [], []
        for row, (tokens, start) in enumerate(zip(ids.tolist(), starts.tolist(), strict=True)):
            group.append(found.setdefault(tuple(tokens[:start]), len(found)))
            if len(found) > len(firsts):
                firsts.append(row)
        self.group, firsts = (torch.tensor(each, device=ids.device) for each in (group, firsts))
        """(B,) the prompt of each row."""
        self.prompts, self.own = Grid(starts[firsts]), Grid((lengths - 1).clamp(min=0))
        columns = self.own.columns + starts.index_select(0, self.own.rows)
        self.ids = torch.cat([ids[firsts[self.prompts.rows], self.prompts.columns], ids[self.own.rows, columns]])
        """(N,)"""
        self.places = torch.cat([self.prompts.columns, columns])
        """(N,) the position of each token in its row."""
        ends = self.prompts.lengths.cumsum(0) - 1
        shared = self.prompts.lengths.sum() + self.own.lengths.cumsum(0) - self.own.lengths
        targets = Grid(lengths)
        place = shared[targets.rows] + targets.columns - 1
        self.before = place.where(targets.columns > 0, ends[self.group][targets.rows])
        """(n,) the token before each token of the completions, among N."""
        width = self.own.inside.shape[1]
        inside = self.prompts.inside[self.group].unsqueeze(1).expand(-1, width, -1)
        earlier = torch.ones(width, width, dtype=torch.bool, device=ids.device).tril().expand(len(ids), -1, -1)
        self.visible = torch.cat([inside, earlier], dim=2).unsqueeze(1)
        """(B, 1, W, P + W) what each token of the completions sees: of its prompt, then of its completion."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention (1, heads, N, D) of all tokens. k and v may have fewer heads than q."""
        counts = [len(self.prompts.rows), len(self.own.rows)]
        (q, own_q), (k, own_k), (v, own_v) = (each[0].transpose(0, 1).split(counts) for each in (q, k, v))
        k, v = self.prompts.spread(k), self.prompts.spread(v)
        found = [self.prompts.collect(attention(self.prompts.spread(q), k, v))]
        if len(self.own.rows):
            k, v = (
                torch.cat([shared.index_select(0, self.group), self.own.spread(own)], dim=1)
                for shared, own in ((k, own_k), (v, own_v))
            )
            found.append(self.own.collect(attention(self.own.spread(own_q), k, v, self.visible)))
        return torch.cat(found).transpose(0, 1).unsqueeze(0)


def attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None) -> Tensor:
    """Attention of rows (R, W, heads, D), which is their layout in memory; causal if not told what is visible."""
    q, k, v = (each.transpose(1, 2) for each in (q, k, v))
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, is_causal=visible is None, enable_gqa=True)
    return found.transpose(1, 2)


class Grid:
    """Tokens end to end as rows that are padded on the right, and back. Padding repeats some token."""

    def __init__(self, lengths: Tensor):
        self.lengths = lengths
        """(R,) of the rows."""
        self.inside = torch.arange(int(lengths.max()), device=lengths.device) < lengths.unsqueeze(1)
        """(R, W)"""
        self.rows, self.columns = self.inside.nonzero(as_tuple=True)
        """(n,) of each token."""
        self.full = self.inside.numel() == len(self.rows)
        self.sources = (self.inside.flatten().cumsum(0) - 1).clamp(min=0)
        """(R·W,) the token at each place."""

    def spread(self, tokens: Tensor) -> Tensor:
        """(n, …) → (R, W, …)."""
        return (tokens if self.full else tokens.index_select(0, self.sources)).unflatten(0, self.inside.shape)

    def collect(self, grid: Tensor) -> Tensor:
        """(R, W, …) → (n, …)."""
        places = grid.flatten(0, 1)
        return places if self.full else places.index_select(0, self.rows * grid.shape[1] + self.columns)
