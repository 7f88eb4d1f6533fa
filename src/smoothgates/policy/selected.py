"""Log-probabilities of tokens from all logits at once, with one matrix kept for the backward pass: the probabilities.

Autograd would keep the log-probabilities, and make two more matrices of that size on the way back.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


class SelectedLogprobs(torch.autograd.Function):
    """From logits (n, V) and targets (n,) to log π (n,) and entropy (n,), in nats. The logits are overwritten.

    Entropy has no gradient.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logp = logits.log_softmax(-1)
        probability = torch.exp(logp, out=logits.detach())
        chosen = logp.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        entropy = logp.mul_(probability).sum(-1).neg_()
        ctx.save_for_backward(probability, targets)
        ctx.mark_non_differentiable(entropy)
        return chosen, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor, _) -> tuple[Tensor, None]:
        probability, targets = ctx.saved_tensors
        gradient = gradient.unsqueeze(-1)
        return (probability * -gradient).scatter_add_(-1, targets.unsqueeze(-1), gradient), None
