"""Log-probabilities of sampled tokens under a policy, as the trainer sees them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        meaning: mask them. Entropy carries no gradient.
        """
        return completion_logprobs(self.policy, ids, starts, int(lengths.max()))


def completion_logprobs(policy: Policy, ids: Tensor, starts: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """As `Scorer.forward`; the last layer and the logits are computed at completion positions only."""
    columns = (starts.unsqueeze(1) + torch.arange(width)).clamp(max=ids.shape[1] - 1)
    before = (columns - 1).unsqueeze(2)
    hidden = policy.hidden(ids[:, :-1], keep=lambda x: x.gather(1, before.expand(-1, -1, x.shape[2])))
    logp = F.linear(hidden, policy.head).log_softmax(-1)
    with torch.no_grad():
        entropy = -(logp.exp() * logp).sum(-1)
    return logp.gather(2, ids.gather(1, columns).unsqueeze(2)).squeeze(2), entropy
