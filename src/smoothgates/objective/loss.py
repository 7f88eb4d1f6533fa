"""The loss of every method: mask → clamp → exp → gate → weight → aggregate.

The gradient is the closed form −sg(w·φ(r)·Â)·∇log π, not autograd through f. It gives the same numbers where autograd
is exact, and stays finite where autograd computes 0·∞ or loses its digits (softsign's gradient gets the wrong sign at
large r).
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
    """Return the loss to minimise and its diagnostics.

    Args:
        logp, old_logp: log π and log π_old of the sampled tokens (B, T), in nats. Only `logp` gets a gradient.
        advantage: Â, (B,) or (B, T).
        mask: (B, T), true on sampled tokens. Values of the other arguments elsewhere are ignored, even NaN.
        method: gate, ratio level, token weights and aggregation.
        denominator: of the whole optimiser step, see `step_denominator`. None: this batch is the whole step.

    Returns:
        The loss, (), and the diagnostics of `update_diagnostics`, each ().

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
        token_weight = token_weights(logp, old_logp, method)
        if token_weight is None:
            argument, factor = ratio, advantage
        elif method.weights and method.weights.placement == "inside":
            argument, factor = ratio * token_weight, advantage
        else:
            argument, factor = ratio, (advantage * token_weight).where(mask, zero)
        weight = gate.weight(argument, scale, positive)
        coefficient = argument * weight * factor
        if method.ratio == "sequence":
            # The tokens of a row share one ratio, so each gets the mean of their coefficients.
            length = mask.sum(dim=1, keepdim=True).clamp(min=1)
            coefficient = (coefficient.sum(dim=1, keepdim=True) / length).expand_as(coefficient)
        coefficient = coefficient.where(mask & ~outside, zero)
        diagnostics = update_diagnostics(log_ratio, argument, weight, advantage, mask, outside)

    surrogate = (coefficient * share * logp.where(mask & ~outside, zero)).sum()
    if not gate.detached:
        # The gradient is the same, but the value is the one that the papers print: f(r)·Â.
        value = (gate.value(argument, scale, positive) * factor * share).sum()
        surrogate = value + (surrogate - surrogate.detach())
    return -surrogate / denominator, diagnostics


def gate_scale(method: "Method", positive: Tensor, like: Tensor) -> Tensor | float:
    """The gate's scale at each token by the sign of its advantage: τ, or for a clip the distance of the bound from 1.

    One number if it is the same for both signs, else a tensor of the shape of `positive`.
    """
    above, below = method.scales()
    if above == below:
        return above
    return torch.where(positive, like.new_tensor(above), like.new_tensor(below))
