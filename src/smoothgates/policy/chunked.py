"""Log-probabilities of tokens without all their logits: by blocks of the vocabulary, which gradients compute anew.

All logits of 2,048 tokens over 151,936 words take 1.2 GB, and autograd keeps several such matrices. Here two passes
over the output matrix take their place: the first adds up softmax and entropy from block to block, the second writes
each block's part of the gradients. That is four matrix products instead of three; on a CPU, buffers that are used again
save about what the fourth takes, or more (tests/bench/memory.py). Shapes: n tokens, H hidden, V vocabulary.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


class ChunkedLogprobs(torch.autograd.Function):
    """From hidden states (n, H), the output matrix (V, H) and targets (n,) to log π (n,) and entropy (n,), in nats.

    In single precision whatever those are in. Entropy has no gradient. `chunk`: at any time there are at most as many
    logits as so many tokens have.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, hidden: Tensor, head: Tensor, targets: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
        width = min(len(head), max(1, chunk * len(head) // (2 * len(hidden))))  # of a block; there are two buffers
        states = factor(hidden)
        spare = torch.empty(2, len(hidden) * width, device=hidden.device)
        # Sums over blocks in double precision: there may be many.
        chosen, entropy = torch.zeros(2, len(hidden), 1, dtype=torch.double, device=hidden.device)
        total = torch.full_like(chosen, -torch.inf)
        for start in range(0, len(head), width):
            block = head[start : start + width].to(states.dtype)
            logits = product(states, block.T, room(spare[0], states, block))
            column, inside = columns(targets, start, len(block))
            chosen = torch.where(inside, logits.gather(1, column).double(), chosen)
            top = logits.amax(1, keepdim=True)
            weights = torch.exp(logits.sub_(top), out=room(spare[1], states, block))
            mass = weights.sum(1, keepdim=True).double()
            # Entropy of a mixture of two parts: their mean by share, and that of the choice between them.
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
            logits = product(states, block.T, room(spare, states, block))
            slope = logits.sub_(total).exp_().mul_(-gradient)
            column, inside = columns(targets, start, len(block))
            slope = slope.scatter_add_(1, column, gradient * inside).to(states.dtype)
            to_states += product(slope, block)
            part = to_head[start : start + ctx.width]
            part.copy_(product(slope.T, states, part if part.dtype == torch.float32 else None))
        return to_states.to(hidden.dtype), to_head, None, None


def factor(states: Tensor) -> Tensor:
    """In the type in which they are multiplied: as they are where hardware adds up halves in single precision."""
    return states if states.is_cuda else states.float()


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """The matrix product in single precision."""
    if a.dtype == torch.float32:
        return torch.mm(a, b, out=out)
    return torch.mm(a, b, out_dtype=torch.float32, out=out)


def room(spare: Tensor, states: Tensor, block: Tensor) -> Tensor:
    """As much of a flat buffer as the logits (n, width) of a block take."""
    return spare[: len(states) * len(block)].view(len(states), len(block))


def columns(targets: Tensor, start: int, width: int) -> tuple[Tensor, Tensor]:
    """Where in a block of the vocabulary each target stands (n, 1), and whether it does (n, 1)."""
    place = (targets - start).unsqueeze(1)
    return place.clamp(0, width - 1), (place >= 0) & (place < width)
