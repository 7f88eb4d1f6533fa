"""The textbook softsign x/(1 + |x|): tails r⁻², and a kink of f′ at r = 1 (f itself is still C¹)."""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, tau: Scale, positive: Sign) -> tuple[Values, Values]:
    d = ratio - 1
    fall = d.abs().mul_(tau).add_(1).reciprocal_()
    return d.mul_(fall).add_(1), fall.square_()


GATE = Gate(
    name="softsign_classic",
    formula="1 + (r − 1)/(1 + τ|r − 1|)",
    source="this project: the textbook softsign, for contrast with the paper's",
    parameter="tau",
    **from_both(both),
    half_width=lambda tau: (math.sqrt(2) - 1) / tau,
    admissible=True,
)
