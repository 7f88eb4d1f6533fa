"""Log-probabilities of sampled tokens under a policy, as the trainer computes them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothgates.policy.branches import LONGEST, branched_states
from smoothgates.policy.chunked import ChunkedLogprobs
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.policy import Policy
from smoothgates.policy.selected import SelectedLogprobs


class Scorer(nn.Module):
    """A module with the log-probabilities as its forward pass, so that engines can wrap it."""

    def __init__(self, policy: Policy, packed: bool = False, chunk: int | None = None):
        """`packed`: pack rows instead of padding. `chunk`: compute logits for at most this many tokens at a time."""
        super().__init__()
        self.policy, self.is_packed, self.chunk = policy, packed, chunk

    def forward(self, ids: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log π (B, W) of each completion's tokens, and the entropy (B, W) of the distribution each came from, in nats.

        ids: right-padded rows of prompt + completion (B, T). starts: first completion position of each row (B,).
        lengths: completion tokens of each row (B,), W at most. Values past a row's end are meaningless: mask them.
        Entropy has no gradient. Both results are in single precision.
        """
        width = int(lengths.max())
        dense = isinstance(self.policy, Decoder) and not any(self.policy.sparse_shape)
        branched = dense and not self.is_packed and width <= LONGEST
        if self.chunk is None and not self.is_packed and not branched:
            return completion_logprobs(self.policy, ids, starts, width)
        rows, places = (torch.arange(width, device=ids.device) < lengths.unsqueeze(1)).nonzero(as_tuple=True)
        columns = starts[rows] + places
        if self.is_packed:
            states = packed_states(self.policy, ids, starts + lengths - 1, rows, columns - 1)
        elif branched:
            states = branched_states(self.policy, ids, starts, lengths)
        else:
            states = padded_states(self.policy, ids, rows, columns - 1)
        logp, entropy = token_logprobs(states, self.policy.head, ids[rows, columns], self.chunk)
        grid = logp.new_zeros(len(ids), width)
        return grid.index_put((rows, places), logp), grid.index_put((rows, places), entropy)


def padded_states(policy: Policy, ids: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Final hidden states (n, H) at n positions of right-padded rows (B, T), given by their rows and columns."""
    flat = rows * (ids.shape[1] - 1) + columns
    return policy.hidden(ids[:, :-1], keep=lambda x: x.flatten(0, 1).index_select(0, flat))


def packed_states(policy: Policy, ids: Tensor, lengths: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """As `padded_states`, with the first `lengths` (B,) tokens of the rows packed."""
    inside = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
    firsts = lengths.cumsum(0) - lengths
    return policy.packed(ids[inside], lengths.tolist()).index_select(0, firsts[rows] + columns)


def token_logprobs(hidden: Tensor, head: Tensor, targets: Tensor, chunk: int | None = None) -> tuple[Tensor, Tensor]:
    """Log π of targets (…,) and the entropies (…,), from final hidden states (…, H) and the output matrix (V, H).

    Logits and softmax are in single precision for arguments of any type. `chunk`: compute logits for at most this many
    of the tokens (n,) at a time. None: for all at once.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        if chunk is not None:
            return ChunkedLogprobs.apply(hidden, head, targets, chunk)
        return SelectedLogprobs.apply(F.linear(hidden.float(), head.float()), targets)


def completion_logprobs(policy: Policy, ids: Tensor, starts: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """As `Scorer.forward`. The last layer and the logits are computed at completion positions only."""
    columns = (starts.unsqueeze(1) + torch.arange(width, device=ids.device)).clamp(max=ids.shape[1] - 1)
    before = (columns - 1).unsqueeze(2)
    hidden = policy.hidden(ids[:, :-1], keep=lambda x: x.gather(1, before.expand(-1, -1, x.shape[2])))
    return token_logprobs(hidden, policy.head, ids.gather(1, columns))
