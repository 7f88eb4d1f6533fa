"""SAPO's sigmoid gate: weight 1 at r = 1, exponential tails."""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values


def value(ratio: Values, tau: Scale, positive: Sign) -> Values:
    return (tau * (ratio - 1)).sigmoid() * 4 / tau


def weight(ratio: Values, tau: Scale, positive: Sign) -> Values:
    # sech²(x) = 4p(1 − p) with p = σ(2x); the product form neither overflows nor cancels.
    x = tau * (ratio - 1)
    return 4 * x.sigmoid() * (-x).sigmoid()


GATE = Gate(
    name="sigmoid",
    formula="(4/τ)·σ(τ(r − 1))",
    source="SAPO (2511.20347, eq 6); 2602.19345, eq 3",
    parameter="tau",
    value=value,
    weight=weight,
    half_width=lambda tau: 2 * math.acosh(math.sqrt(2)) / tau,
    admissible=True,
)
