"""The textbook softsign x/(1 + |x|): tails r⁻², and a kink of f′ at r = 1 (f itself is still C¹)."""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values


def value(ratio: Values, tau: Scale, positive: Sign) -> Values:
    d = ratio - 1
    return 1 + d / (1 + tau * d.abs())


def weight(ratio: Values, tau: Scale, positive: Sign) -> Values:
    return (1 + tau * (ratio - 1).abs()).pow(-2)


GATE = Gate(
    name="softsign_classic",
    formula="1 + (r − 1)/(1 + τ|r − 1|)",
    source="this project: the textbook softsign, for contrast with the paper's",
    parameter="tau",
    value=value,
    weight=weight,
    half_width=lambda tau: (math.sqrt(2) - 1) / tau,
    admissible=True,
)
