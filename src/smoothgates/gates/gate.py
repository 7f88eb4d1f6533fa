"""What a gate is: one frozen record of pure elementwise functions.

A gate `f` replaces the importance ratio r = π/π_old in the policy-gradient surrogate, so that
the surrogate of a token is f(r)·Â. Its derivative f′ is the *gate weight*; the factor that
reaches the policy gradient is φ(r) = r·f′(r), because ∇r = r·∇log π.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Elementwise = Callable[["Tensor", "Tensor | float", "Tensor | bool"], "Tensor"]
Parameter = Literal["tau", "clip", "none"]


@dataclass(frozen=True)
class Gate:
    """One gate. Every function is elementwise in `ratio`, broadcasting over the others.

    `value(ratio, scale, positive)` is f and `weight(ratio, scale, positive)` is f′, where
    `positive` says Â > 0 and `scale` is the method's parameter for that sign.
    """

    name: str
    """Same as the file name: `gates/arctan.py` holds `arctan`."""
    formula: str
    """f(r), as printed in the catalogue; τ or ε is the scale."""
    source: str
    """Where the gate was published, with the equation."""
    parameter: Parameter
    """What `scale` means: a temperature τ, the distance of a bound from 1, or nothing."""
    value: Elementwise
    weight: Elementwise
    half_width: Callable[[float], float]
    """Distance |r − 1| at which f′ has fallen to ½ on the side where the gate acts, for a scale."""
    admissible: bool
    """Whether the gate claims the four conditions of 2602.19345, section 4 (contract.py checks it)."""
    detached: bool = False
    """The published loss is −sg(φ)·Â·log π rather than −f(r)·Â. Gradients are the same; values are not."""

    def phi(self, ratio: "Tensor", scale: "Tensor | float", positive: "Tensor | bool") -> "Tensor":
        """φ(r) = r·f′(r), the coefficient of Â∇log π."""
        return ratio * self.weight(ratio, scale, positive)


def by_sign(positive: "Tensor | bool", if_positive: "Tensor", otherwise: "Tensor") -> "Tensor":
    """Elementwise choice by the sign of the advantage (Â = 0 counts as not positive)."""
    import torch  # here, so that the Snakefile can read the catalogue without loading torch

    return torch.where(torch.as_tensor(positive), if_positive, otherwise)


def one_sided(gate: Gate) -> Gate:
    """The gate acting only where the PPO clip acts: r > 1 when Â > 0, r < 1 when Â ≤ 0.

    On the other side f continues with slope 1, so that a token which drifted the wrong way keeps
    its full corrective gradient, as it does under PPO's pessimistic minimum.
    """
    import dataclasses

    def acts(ratio, positive):
        return by_sign(positive, ratio > 1, ratio < 1)

    def value(ratio, scale, positive):
        free = gate.value(ratio * 0 + 1, scale, positive) + (ratio - 1)
        return free.where(~acts(ratio, positive), gate.value(ratio, scale, positive))

    def weight(ratio, scale, positive):
        inside = gate.weight(ratio, scale, positive)
        return inside.where(acts(ratio, positive), inside * 0 + 1)

    return dataclasses.replace(
        gate,
        name=f"{gate.name}_one_sided",
        formula=f"{gate.name} where the PPO clip acts, f(1) + (r − 1) elsewhere",
        source="this project: a control for the one-sidedness of PPO's minimum",
        value=value,
        weight=weight,
        admissible=False,
    )
