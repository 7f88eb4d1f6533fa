"""Token weights by the policy's own probability: GRPO-SG (2511.00066) and AR (2505.12929).

Known about GRPO-SG: its abstract says that the weight of a token rises with its probability, because low-probability
tokens have the largest gradients. The formula w = clip(α(σ(π/τ) − μ), L, U) with α = 2, τ = 9, μ = 0.25, L = 1, U = 1.4
is known second-hand only, and as printed it is the constant 1: σ(π/9) ≤ 0.528, so α(…) ≤ 0.56 < L.

Inferred: the readings below, which place the brackets or τ so that the constants have an effect. Reading `b` is the
default: it reaches its floor exactly at π = μ, and it has the form of an option in AR-Lopti's code, from which the
paper's code is said to derive.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from smoothgates.methods.method import Method

ALPHA, TAU, MU, FLOOR, CAP = 2.0, 9.0, 0.25, 1.0, 1.4

READINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "printed": lambda p: (p / TAU).sigmoid_().sub_(MU).mul_(ALPHA),
    "a": lambda p: (p * TAU).sigmoid_().sub_(MU).mul_(ALPHA),
    "b": lambda p: (p - MU).mul_(TAU).sigmoid_().mul_(ALPHA),
}


def grpo_sg(probability: Tensor, reading: str) -> Tensor:
    """Return GRPO-SG's weights, in [1, 1.4], of tokens with these probabilities under the current policy (any shape).

    >>> import torch
    >>> p = torch.tensor([0.1, 0.25, 0.3, 0.9])
    >>> grpo_sg(p, "b"), grpo_sg(p, "printed")
    (tensor([1.0000, 1.0000, 1.2213, 1.4000]), tensor([1., 1., 1., 1.]))
    """
    return READINGS[reading](probability).clamp_(FLOOR, CAP)


def advantage_reweighting(old_probability: Tensor, alpha: float) -> Tensor:
    """Return AR's weights α·π_old + 1 − α (2505.12929), any shape. α is 0.2 to 0.3 for logic puzzles, 0.1 for math."""
    return (alpha * old_probability).add_(1 - alpha)


def token_weights(logp: Tensor, old_logp: Tensor, method: "Method") -> Tensor | None:
    """Return the method's token weights (B, T), finite even where log π is not; None if it has none."""
    if method.weights is None:
        return None
    if method.weights.kind == "ar":
        return advantage_reweighting(probability(old_logp), method.weights.alpha)
    return grpo_sg(probability(logp), method.weights.reading)


def probability(logp: Tensor) -> Tensor:
    """Return π of log π, any shape; finite even where log π is not."""
    return logp.nan_to_num(nan=0.0).clamp_(max=0).exp_()
