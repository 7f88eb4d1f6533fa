"""Rows that begin with the same prompt, computed as branches of it: each distinct prompt once, and no padding.

The completions of a group share their prompt. Everything but attention is computed for the tokens end to end, prompts
first; in attention a completion sees its prompt's keys and values, and its own up to each token. Gradients of a prompt
add up from its branches. Shapes: B rows, U distinct prompts, N tokens in all, n tokens of one kind.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.policy.decoder import Decoder, causal


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
        written = zip(ids.tolist(), starts.tolist(), strict=True)
        group = [found.setdefault(tuple(row[:start]), len(found)) for row, start in written]
        self.group = torch.tensor(group, device=ids.device)
        """(B,) the prompt of each row."""
        firsts = torch.tensor([group.index(prompt) for prompt in range(len(found))], device=ids.device)
        self.prompts, self.own = Grid(starts[firsts]), Grid(lengths - 1)
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
        (q, own_q), (k, own_k), (v, own_v) = (each.split(counts, dim=2) for each in (q, k, v))
        k, v = self.prompts.spread(k), self.prompts.spread(v)
        found = [self.prompts.collect(causal(self.prompts.spread(q), k, v))]
        if len(self.own.rows):
            keys, values = (
                torch.cat([shared.index_select(0, self.group), self.own.spread(own)], dim=2)
                for shared, own in ((k, own_k), (v, own_v))
            )
            mixed = F.scaled_dot_product_attention(
                self.own.spread(own_q), keys, values, attn_mask=self.visible, enable_gqa=True
            )
            found.append(self.own.collect(mixed))
        return torch.cat(found, dim=2)


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

    def spread(self, x: Tensor) -> Tensor:
        """(1, heads, n, D) → (R, heads, W, D)."""
        flat = x[0].transpose(0, 1)
        flat = flat if self.full else flat.index_select(0, self.sources)
        return flat.view(*self.inside.shape, *flat.shape[1:]).transpose(1, 2)

    def collect(self, x: Tensor) -> Tensor:
        """(R, heads, W, D) → (1, heads, n, D)."""
        grid = x.transpose(1, 2)
        flat = grid.flatten(0, 1) if self.full else grid[self.rows, self.columns]
        return flat.transpose(0, 1).unsqueeze(0)
