"""Log-probabilities of sampled tokens under a policy, as the trainer sees them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothgates.policy.chunked import ChunkedLogprobs
from smoothgates.policy.policy import Policy


class Scorer(nn.Module):
    """A policy whose forward pass is what an engine must compute, so that engines can wrap it."""

    def __init__(self, policy: Policy, packed: bool = False, chunk: int | None = None):
        """`packed`: lay rows end to end instead of padding them. `chunk`: tokens whose logits exist at a time."""
        super().__init__()
        self.policy, self.is_packed, self.chunk = policy, packed, chunk

    def forward(self, ids: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log π (B, W) of each completion's tokens, and the entropy (B, W) of the distribution each came from, in nats.

        ids: right-padded rows of prompt + completion (B, T). starts: first completion position of each row (B,).
        lengths: completion tokens of each row (B,); W is the most. Places past a row's end hold numbers without
        meaning: mask them. Entropy carries no gradient. Both are in single precision.
        """
        width = int(lengths.max())
        if not self.is_packed and self.chunk is None:
            return completion_logprobs(self.policy, ids, starts, width)
        rows, places = (torch.arange(width, device=ids.device) < lengths.unsqueeze(1)).nonzero(as_tuple=True)
        columns = starts[rows] + places
        read = packed_states if self.is_packed else padded_states
        states = read(self.policy, ids, starts + lengths - 1, rows, columns - 1)
        logp, entropy = token_logprobs(states, self.policy.head, ids[rows, columns], self.chunk)
        grid = logp.new_zeros(len(ids), width)
        return grid.index_put((rows, places), logp), grid.index_put((rows, places), entropy)


def padded_states(policy: Policy, ids: Tensor, lengths: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Final hidden states (n, H) at some places, n rows and columns, of right-padded rows (B, T)."""
    flat = rows * (ids.shape[1] - 1) + columns
    return policy.hidden(ids[:, :-1], keep=lambda x: x.flatten(0, 1).index_select(0, flat))


def packed_states(policy: Policy, ids: Tensor, lengths: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The same, the first `lengths` (B,) tokens of each row laid end to end."""
    inside = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
    firsts = lengths.cumsum(0) - lengths
    return policy.packed(ids[inside], lengths.tolist()).index_select(0, firsts[rows] + columns)


def token_logprobs(hidden: Tensor, head: Tensor, targets: Tensor, chunk: int | None = None) -> tuple[Tensor, Tensor]:
    """Log π of targets (…,) and the entropies (…,), from final hidden states (…, H) and the output matrix (V, H).

    Logits and softmax are in single precision, whatever the arguments are in. `chunk`: tokens (n,) whose logits exist
    at a time; None: all.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        if chunk is not None:
            return ChunkedLogprobs.apply(hidden, head, targets, chunk)
        logp = F.linear(hidden.float(), head.float()).log_softmax(-1)
    with torch.no_grad():
        entropy = -(logp.exp() * logp).sum(-1)
    return logp.gather(-1, targets.unsqueeze(-1)).squeeze(-1), entropy


def completion_logprobs(policy: Policy, ids: Tensor, starts: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """As `Scorer.forward`; the last layer and the logits are computed at completion positions only."""
    columns = (starts.unsqueeze(1) + torch.arange(width, device=ids.device)).clamp(max=ids.shape[1] - 1)
    before = (columns - 1).unsqueeze(2)
    hidden = policy.hidden(ids[:, :-1], keep=lambda x: x.gather(1, before.expand(-1, -1, x.shape[2])))
    return token_logprobs(hidden, policy.head, ids.gather(1, columns))
