"""What a gate is: one frozen record of pure elementwise functions.

A gate f replaces the importance ratio r = π/π_old in the policy-gradient surrogate, so that the surrogate of a token is
f(r)·Â. Its derivative f′ is the gate's *weight*. The factor that reaches the policy gradient is φ(r) = r·f′(r), because
∇r = r·∇log π.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Values: TypeAlias = "Tensor"
"""Ratios, or what a gate makes of them. These names stand for torch's types and do not load torch."""
Scale: TypeAlias = "Tensor | float"
Sign: TypeAlias = "Tensor | bool"
"""Whether Â > 0."""
Elementwise = Callable[[Values, Scale, Sign], Values]
"""A function of (ratio, scale, positive) with the shape and type of `ratio`, to which the other two broadcast."""
Both = Callable[[Values, Scale, Sign], tuple[Values, Values]]
"""The same for a pair, f and f′. It may write over its own intermediate results, so autograd cannot go through it."""
Parameter = Literal["tau", "clip", "none"]
"""The meaning of a gate's scale: a temperature τ, the distance of a clip's bound from 1, or no scale."""


@dataclass(frozen=True)
class Gate:
    """One gate.

    `value(ratio, scale, positive)` is f and `weight(ratio, scale, positive)` is f′. `positive` says whether Â > 0;
    `scale` is the method's parameter for that sign.
    """

    name: str
    """The name of its file: `gates/arctan.py` defines `arctan`."""
    formula: str
    """f(r) as the catalogue prints it; τ or ε is the scale."""
    source: str
    """The publication that defines the gate, with the equation."""
    parameter: Parameter
    value: Elementwise
    weight: Elementwise
    half_width: Callable[[float], float]
    """From a scale, the smallest distance |r − 1| at which f′ falls to ½, for either sign of Â."""
    admissible: bool
    """Whether the gate claims the four conditions of 2602.19345, section 4 (contract.py checks the claim)."""
    detached: bool = False
    """The published loss is −sg(φ)·Â·log π rather than −f(r)·Â. The gradients are equal; the values are not."""
    both: Both | None = None
    """f and f′ at once, for a gate whose formulas share work; never needed. The loss, which takes both, is faster."""

    def value_and_weight(self, ratio: Values, scale: Scale, positive: Sign) -> tuple[Values, Values]:
        """Return f and f′, each in the shape of `ratio`."""
        if self.both:
            return self.both(ratio, scale, positive)
        return self.value(ratio, scale, positive), self.weight(ratio, scale, positive)

    def phi(self, ratio: Values, scale: Scale, positive: Sign) -> Values:
        """Return φ(r) = r·f′(r), the coefficient of Â∇log π, in the shape of `ratio`."""
        return ratio * self.weight(ratio, scale, positive)


def by_sign(positive: Sign, if_positive: Scale, otherwise: Scale) -> Scale:
    """Choose by the sign of the advantage (Â = 0 counts as not positive)."""
    if isinstance(positive, bool):
        return if_positive if positive else otherwise
    import torch  # here, so that the Snakefile can import the gates without loading torch

    return torch.where(positive, if_positive, otherwise)


def between(ratio: Values, low: Scale, high: Scale) -> Values:
    """Clamp ratios to bounds that broadcast; faster than one call with both."""
    return ratio.clamp(min=low).clamp_(max=high)


@cache
def one_sided(gate: Gate) -> Gate:
    """Return the gate restricted to where the PPO clip acts: r > 1 when Â > 0, r < 1 when Â ≤ 0.

    On the other side f continues with f′ = 1, so that a token whose ratio drifted against its advantage keeps its full
    corrective gradient, as under PPO's pessimistic minimum.
    """

    def gated(ratio: Values, positive: Sign) -> Values:
        """The ratio where the gate acts, elsewhere 1."""
        return between(ratio, by_sign(positive, 1.0, -math.inf), by_sign(positive, math.inf, 1.0))

    def both(ratio: Values, scale: Scale, positive: Sign) -> tuple[Values, Values]:
        acting = gated(ratio, positive)
        f, weight = gate.value_and_weight(acting, scale, positive)  # f′(1) = 1
        return (ratio - acting).add_(f), weight

    formula = f"{gate.formula} where the PPO clip acts, f(1) + (r − 1) elsewhere"
    return replace(gate, formula=formula, **from_both(both), admissible=False)


def from_both(both: Both) -> dict[str, Any]:
    """The fields `value`, `weight` and `both` of a gate that computes them together."""
    return {
        "value": lambda ratio, scale, positive: both(ratio, scale, positive)[0],
        "weight": lambda ratio, scale, positive: both(ratio, scale, positive)[1],
        "both": both,
    }
