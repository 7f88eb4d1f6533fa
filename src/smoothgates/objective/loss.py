"""The loss of every method: mask → clamp → exp → gate → weight → aggregate.

The gradient is the closed form −sg(w·φ(r)·Â)·∇log π, not autograd through f. It gives the same numbers where autograd
is exact, and stays finite where autograd computes 0·∞ or loses its digits (softsign's gradient gets the wrong sign at
large r).
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoothgates.objective.aggregate import denominator_of, share_denominator
from smoothgates.objective.diagnostics import TokenTerms
from smoothgates.objective.masks import divergence_mask
from smoothgates.objective.ratio import clamped_log_ratio, geometric_mean, importance_ratio
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
) -> tuple[Tensor, TokenTerms]:
    """Return the loss to minimise, and the terms that `update_diagnostics` reads.

    Args:
        logp, old_logp: log π and log π_old of the sampled tokens (B, T), in nats. Only `logp` gets a gradient.
        advantage: Â, (B,) or (B, 1) for whole sequences, or (B, T).
        mask: (B, T), true on sampled tokens. Values of the other arguments elsewhere are ignored, even NaN.
        method: gate, ratio level, token weights and aggregation.
        denominator: of the whole optimiser step, see `step_denominator`. None: this batch is the whole step.

    Returns:
        The loss, (), and the terms, without gradients.

    >>> from smoothgates.methods.method import Method
    >>> logp = torch.tensor([[-1.0, -0.4]], requires_grad=True)
    >>> old, advantage, mask = torch.tensor([[-1.0, -0.5]]), torch.tensor([2.0]), torch.tensor([[1, 1]])
    >>> loss, _ = policy_loss(logp, old, advantage, mask, Method(gate="arctan", tau=10))
    >>> loss.backward(); logp.grad
    tensor([[-1.0000, -0.5247]])
    """
    mask = mask.bool()
    with torch.no_grad():
        # Products with ones and zeros in place: on a CPU they take a twentieth of the time of `where`. Conversion of
        # bytes takes a sixth of that of bool.
        valid = mask.view(torch.uint8).to(logp.dtype)
        length = valid.sum(dim=1, keepdim=True)
        if denominator is None:
            denominator = denominator_of(length, method)
        if isinstance(denominator, Tensor):
            denominator = denominator.clamp(min=1)
        advantage = advantage if advantage.dim() == 2 else advantage.unsqueeze(1)
        unknown = ~mask if advantage.shape == mask.shape else length == 0
        advantage = advantage.to(logp.dtype).masked_fill(unknown, 0)
        log_ratio, inside = clamped_log_ratio(logp, old_logp, valid)
        argument = importance_ratio(log_ratio, length, method.ratio)
        factor = valid * (advantage / (share_denominator(length, method) * -denominator))
        token_weight = token_weights(logp, old_logp, method)
        if token_weight is not None and method.weights and method.weights.placement == "inside":
            argument = argument * token_weight
        elif token_weight is not None:
            factor *= token_weight
        if argument.shape[1] < advantage.shape[1]:
            argument = argument.expand_as(advantage)  # a gate gives one result for each ratio
        gate, positive = method.applied_gate(), advantage > 0
        keep = None
        if method.mask is not None and method.mask.kind != "covariance":
            keep = divergence_mask(log_ratio, old_logp, positive, method.mask)
            factor *= keep
        scale = gate_scale(method, positive, argument)
        if gate.detached:
            weight = gate.weight(argument, scale, positive)
        else:
            f, weight = gate.value_and_weight(argument, scale, positive)
            if method.ratio == "geometric":
                f = argument = geometric_mean(f, length)
            value = total(factor, f)  # what the papers print: f(r)·Â
        slope = factor.mul_(argument).mul_(weight)
        if method.ratio == "sequence":
            # The tokens of a row share one ratio, so each gets the mean of their slopes.
            slope = slope.sum(dim=1, keepdim=True) / length.clamp(min=1) * inside
        else:
            slope *= inside
        if gate.detached:
            value = total(slope, logp.nan_to_num(0, 0, 0))
        if keep is not None:
            weight = weight * keep
        terms = TokenTerms(log_ratio, argument, weight, advantage, valid, inside)
    loss: Tensor = KnownSlope.apply(logp, value, slope)  # type: ignore[no-untyped-call]
    return loss, terms


class KnownSlope(torch.autograd.Function):
    """The loss with this value, (), and this gradient in log π, `slope` (B, T): autograd computes neither.

    The backward pass writes over `slope`. A second one raises RuntimeError.
    """

    @staticmethod
    def forward(ctx: Any, logp: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return slope.mul_(gradient), None, None


def total(factor: Tensor, values: Tensor) -> Tensor:
    """Σ factor·value, (), for values (B, T), or (B, 1) for all tokens of a row."""
    return factor.sum_to_size(values.shape).flatten().dot(values.flatten())


def gate_scale(method: "Method", positive: Tensor, like: Tensor) -> Tensor:
    """The gate's scale by the sign of the advantage: τ, or for a clip the distance of the bound from 1.

    Of the shape of `positive` and of the type of `like`.
    """
    above, below = method.scales()
    return torch.full_like(positive, below, dtype=like.dtype).masked_fill_(positive, above)
