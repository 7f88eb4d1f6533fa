"""The gate that 2602.19345 calls softsign: the algebraic sigmoid x/√(1 + x²), tails r⁻³.

It is not the textbook softsign x/(1 + |x|); that one is `softsign_classic`.
"""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, tau: Scale, positive: Sign) -> tuple[Values, Values]:
    d = ratio - 1
    square = (tau * d).square_().add_(1)
    root = square.rsqrt()
    return d.mul_(root).add_(1), root.div_(square)


GATE = Gate(
    name="softsign",
    formula="1 + (r − 1)/√(1 + τ²(r − 1)²)",
    source="2602.19345, eq 8",
    parameter="tau",
    **from_both(both),
    half_width=lambda tau: math.sqrt(2 ** (2 / 3) - 1) / tau,
    admissible=True,
)
