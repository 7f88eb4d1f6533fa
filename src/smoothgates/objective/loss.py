"""The one loss of every method: mask → clamp → exp → gate → weight → aggregate.

The gradient is built from the closed form −sg(w·φ(r)·Â)·∇log π rather than by autograd through f: the same numbers
where autograd is exact, and finite where it meets 0·∞ or loses its digits (softsign at large r gets the wrong sign).
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smoothgates.objective.aggregate import step_denominator, token_shares
from smoothgates.objective.diagnostics import update_diagnostics
from smoothgates.objective.ratio import clamped_log_ratio, importance_ratio
from smoothgates.objective.weights import token_weights

if TYPE_CHECKING:
    from smoothgates.methods.method import Method


def policy_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantage: Tensor,
    mask: Tensor,
    method: "Method",
    denominator: Tensor | float | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss to minimise and its diagnostics.

    Args:
        logp, old_logp: log π and log π_old of the sampled tokens (B, T), nats. Only `logp` gets a gradient.
        advantage: Â, (B,) or (B, T).
        mask: (B, T), true on sampled tokens; anything may stand elsewhere in the other arguments.
        method: gate, ratio level, token weights and aggregation.
        denominator: of the whole optimiser step (see `step_denominator`); None if this batch is the step.

    Returns:
        the loss, (); and the diagnostics of `update_diagnostics`, each ().

    >>> from smoothgates.methods.method import Method
    >>> logp = torch.tensor([[-1.0, -0.4]], requires_grad=True)
    >>> old, advantage, mask = torch.tensor([[-1.0, -0.5]]), torch.tensor([2.0]), torch.tensor([[1, 1]])
    >>> loss, _ = policy_loss(logp, old, advantage, mask, Method(gate="arctan", tau=10))
    >>> loss.backward(); logp.grad
    tensor([[-1.0000, -0.5247]])
    """
    mask = mask.bool()
    zero = logp.new_zeros(())
    advantage = advantage if advantage.dim() == 2 else advantage.unsqueeze(1)
    advantage = advantage.to(logp.dtype).expand_as(logp).where(mask, zero)
    share = token_shares(mask, method, logp.dtype)
    if denominator is None:
        denominator = step_denominator(mask, method)
    if isinstance(denominator, Tensor):
        denominator = denominator.clamp(min=1)

    with torch.no_grad():
        log_ratio, outside = clamped_log_ratio(logp, old_logp, mask)
        ratio = importance_ratio(log_ratio, mask, method.ratio)
        gate, positive = method.applied_gate(), advantage > 0
        scale = gate_scale(method, positive, ratio)
        weight = token_weights(logp, old_logp, method)
        if weight is None:
            argument, factor = ratio, advantage
        elif method.weights.placement == "inside":
            argument, factor = ratio * weight, advantage
        else:
            argument, factor = ratio, (advantage * weight).where(mask, zero)
        slope = gate.weight(argument, scale, positive)
        coefficient = argument * slope * factor
        if method.ratio == "sequence":
            # One ratio per sequence: every token of a row moves it alike, whatever the other tokens' advantages.
            length = mask.sum(dim=1, keepdim=True).clamp(min=1)
            coefficient = (coefficient.sum(dim=1, keepdim=True) / length).expand_as(coefficient)
        coefficient = coefficient.where(mask & ~outside, zero)
        diagnostics = update_diagnostics(log_ratio, argument, slope, advantage, mask, outside)

    surrogate = (coefficient * share * logp.where(mask & ~outside, zero)).sum()
    if not gate.detached:
        # Same gradient, but the value that the papers print: f(r)·Â.
        value = (gate.value(argument, scale, positive) * factor * share).sum()
        surrogate = value + (surrogate - surrogate.detach())
    return -surrogate / denominator, diagnostics


def gate_scale(method: "Method", positive: Tensor, like: Tensor) -> Tensor | float:
    """The gate's scale at each token, by the sign of its advantage: τ, or the distance of the bound from 1."""
    above, below = method.scales()
    if above == below:
        return above
    return torch.where(positive, like.new_tensor(above), like.new_tensor(below))
