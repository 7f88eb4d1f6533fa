"""Which sampled tokens keep their gradient: masks by a change of probability, or by covariance.

DPPO (2602.04879) bounds how far the two policies diverge at a token, not its ratio. The loss knows the probability of
the sampled token only, so the divergence is that of two events, this token or any other: the paper's *binary* form,
which is also that of verl and prime-rl.

Clip-Cov (2505.22617) takes the gradient from a few random tokens with a high covariance of log-probability and
advantage. The covariance needs means over a whole update, so `train/step.py` makes that mask, before micro-batches.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smoothgates.gates.gate import between, by_sign
from smoothgates.objective.weights import probability

if TYPE_CHECKING:
    from smoothgates.methods.method import Covariance, Divergence

LEAST = 1e-8
"""Least probability of the other tokens, as in verl: the divergence is finite where π is 1."""


def divergence_mask(log_ratio: Tensor, old_logp: Tensor, positive: Tensor, mask: "Divergence") -> Tensor:
    """Return 1 where a token keeps its gradient, else 0, (B, T), for finite log-ratios (B, T).

    For Â > 0 (`positive`, (B, 1) or (B, T)) a token loses it if π has risen by more than the bound, for Â ≤ 0 if π has
    fallen by more.

    >>> from smoothgates.methods.method import Divergence
    >>> old, new = torch.tensor([[0.5, 0.01]]).log(), torch.tensor([[0.7, 0.1]]).log()
    >>> divergence_mask(new - old, old, torch.tensor([[True]]), Divergence(kind="tv", bound=(0.15, 0.15)))
    tensor([[0., 1.]])
    """
    old = probability(old_logp)
    change = log_ratio.expm1().mul_(old)  # π − π_old
    if mask.kind == "kl":
        others_old = (1 - old).clamp_(min=LEAST)
        others = (1 - old).sub_(change).clamp_(min=LEAST)
        divergence = (others_old / others).log_().mul_(others_old).sub_(log_ratio * old)
        change = divergence.abs_().copysign_(change)  # where they are equal, rounding may give less than 0
    fall, rise = mask.bound
    return between(change, by_sign(positive, -math.inf, -fall), by_sign(positive, rise, math.inf)).eq_(change)


def covariance_mask(
    old_logp: Tensor, advantage: Tensor, valid: Tensor, mask: "Covariance", generator: torch.Generator
) -> Tensor:
    """Return 1 where a token keeps its gradient, else 0, (N, T), for the tokens of one update.

    A token's covariance is (log π_old − mean)·(Â − mean), with means over the valid tokens. Of those whose covariance
    lies inside the window, random ones lose their gradient: `share` of the valid tokens, but at least one.

    Args:
        old_logp: log π_old, (N, T). The papers' code takes log π, which no one knows before the forward passes of an
            update; in a rollout's first update they are the same.
        advantage: (N, 1) or (N, T).
        valid: (N, T), true on the sampled tokens of the update.
        generator: chooses. What it draws for a token depends on the token's place only, not on `valid`.
    """
    draw = torch.rand(valid.shape, generator=generator)
    logp, advantage = old_logp[valid], advantage.expand(valid.shape)[valid]
    covariance = (logp - logp.mean()) * (advantage - advantage.mean())
    low, high = mask.window
    inside = (covariance > low) & (covariance < high)
    chosen = draw[valid].masked_fill_(~inside, math.inf).argsort()
    chosen = chosen[: min(int(inside.sum()), max(int(mask.share * len(logp)), 1))]
    keep = torch.ones_like(logp)
    keep[chosen] = 0
    return torch.ones_like(old_logp).masked_scatter_(valid, keep)
