"""Log-probabilities of tokens by blocks of the vocabulary, so that only one block's logits exist at a time.

All logits of 2,048 tokens over 151,936 words take 1.2 GB, and autograd keeps several such matrices. Two passes over the
output matrix replace them: the forward pass accumulates softmax and entropy over the blocks, and the backward pass
recomputes each block's logits and writes its part of the gradients. This takes four matrix products instead of three;
on a CPU, reused buffers save at least the time of the fourth (tests/bench/memory.py). Shapes: n tokens, H hidden, V
vocabulary.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


class ChunkedLogprobs(torch.autograd.Function):
    """From hidden states (n, H), the output matrix (V, H) and targets (n,) to log π (n,) and entropy (n,), in nats.

    The results are in single precision. Entropy has no gradient. `chunk`: at most chunk · V logits exist at a time.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, hidden: Tensor, head: Tensor, targets: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
        width = min(
            len(head), max(1, chunk * len(head) // (2 * len(hidden)))
        )  # of a block; each of the two buffers holds one
        states = factor(hidden)
        spare = torch.empty(2, len(hidden) * width, device=hidden.device)
        # Sums over blocks are in double precision, because there may be many.
        chosen, entropy = torch.zeros(2, len(hidden), 1, dtype=torch.double, device=hidden.device)
        total = torch.full_like(chosen, -torch.inf)
        for start in range(0, len(head), width):
            block = head[start : start + width].to(states.dtype)
            logits = product(states, block.T, buffer_for(spare[0], states, block))
            column, inside = columns(targets, start, len(block))
            chosen = torch.where(inside, logits.gather(1, column).double(), chosen)
            top = logits.amax(1, keepdim=True)
            weights = torch.exp(logits.sub_(top), out=buffer_for(spare[1], states, block))
            mass = weights.sum(1, keepdim=True).double()
            # Entropy of a mixture of two parts: the weighted mean of both, plus that of the choice between them.
            share = (top + mass.log() - total).sigmoid()
            own = mass.log() - torch.linalg.vecdot(weights, logits).unsqueeze(1) / mass
            entropy = entropy.lerp(own, share) + torch.special.entr(share) + torch.special.entr(1 - share)
            total = torch.logaddexp(total, top + mass.log())
        ctx.save_for_backward(hidden, head, targets, total.float())
        ctx.width = width
        logp, entropy = (chosen - total).float().squeeze(1), entropy.float().squeeze(1)
        ctx.mark_non_differentiable(entropy)
        return logp, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor, _) -> tuple[Tensor, Tensor, None, None]:
        hidden, head, targets, total = ctx.saved_tensors
        states, gradient = factor(hidden), gradient.unsqueeze(1)
        spare = torch.empty(len(hidden) * ctx.width, device=hidden.device)
        to_states, to_head = torch.zeros_like(hidden, dtype=torch.float32), torch.empty_like(head)
        for start in range(0, len(head), ctx.width):
            block = head[start : start + ctx.width].to(states.dtype)
            logits = product(states, block.T, buffer_for(spare, states, block))
            slope = logits.sub_(total).exp_().mul_(-gradient)
            column, inside = columns(targets, start, len(block))
            slope = slope.scatter_add_(1, column, gradient * inside).to(states.dtype)
            to_states += product(slope, block)
            part = to_head[start : start + ctx.width]
            part.copy_(product(slope.T, states, part if part.dtype == torch.float32 else None))
        return to_states.to(hidden.dtype), to_head, None, None


def factor(states: Tensor) -> Tensor:
    """States in the type for matrix products: unchanged if the hardware accumulates halves in single precision."""
    return states if states.is_cuda else states.float()


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """The matrix product in single precision."""
    if a.dtype == torch.float32:
        return torch.mm(a, b, out=out)
    return torch.mm(a, b, out_dtype=torch.float32, out=out)


def buffer_for(spare: Tensor, states: Tensor, block: Tensor) -> Tensor:
    """The part of a flat buffer that holds the logits (n, width) of a block."""
    return spare[: len(states) * len(block)].view(len(states), len(block))


def columns(targets: Tensor, start: int, width: int) -> tuple[Tensor, Tensor]:
    """The column of each target in a block of the vocabulary (n, 1), and whether the block contains it (n, 1)."""
    place = (targets - start).unsqueeze(1)
    return place.clamp(0, width - 1), (place >= 0) & (place < width)
