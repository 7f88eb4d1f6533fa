"""Log-probabilities of sampled tokens under a policy, as the trainer sees them."""

import torch
from torch import Tensor

from smoothgates.policy.qwen2 import Qwen2


def completion_logprobs(policy: Qwen2, ids: Tensor, starts: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Log π (B, W) of each completion's tokens, and the entropy (B, W) of the distribution each came from, in nats.

    ids: right-padded rows of prompt + completion (B, T). starts: first completion position of each row (B,).
    width: W, the longest completion. Places past a row's end hold numbers without meaning: mask them.
    The last layer and the logits are computed at completion positions only. Entropy carries no gradient.
    """
    columns = (starts.unsqueeze(1) + torch.arange(width)).clamp(max=ids.shape[1] - 1)
    before = (columns - 1).unsqueeze(2)
    hidden = policy.hidden(ids[:, :-1], keep=lambda x: x.gather(1, before.expand(-1, -1, x.shape[2])))
    logp = policy.logits(hidden).log_softmax(-1)
    with torch.no_grad():
        entropy = -(logp.exp() * logp).sum(-1)
    return logp.gather(2, ids.gather(1, columns).unsqueeze(2)).squeeze(2), entropy
