"""The gate that 2602.19345 calls softsign: the algebraic sigmoid x/√(1 + x²), tails r⁻³.

It is not the textbook softsign x/(1 + |x|); that one is `softsign_classic`.
"""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values


def value(ratio: Values, tau: Scale, positive: Sign) -> Values:
    d = ratio - 1
    return 1 + d * (1 + (tau * d).square()).rsqrt()


def weight(ratio: Values, tau: Scale, positive: Sign) -> Values:
    return (1 + (tau * (ratio - 1)).square()).pow(-1.5)


GATE = Gate(
    name="softsign",
    formula="1 + (r − 1)/√(1 + τ²(r − 1)²)",
    source="2602.19345, eq 8",
    parameter="tau",
    value=value,
    weight=weight,
    half_width=lambda tau: math.sqrt(2 ** (2 / 3) - 1) / tau,
    admissible=True,
)
