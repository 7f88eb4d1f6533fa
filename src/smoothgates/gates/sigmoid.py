"""SAPO's sigmoid gate: weight 1 at r = 1, exponential tails."""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, tau: Scale, positive: Sign) -> tuple[Values, Values]:
    x = (ratio - 1).mul_(tau)
    below, above = x.sigmoid(), x.neg_().sigmoid_()
    # sech²(x) = 4p(1 − p) with p = σ(2x); the product form neither overflows nor cancels.
    weight = above.mul_(below).mul_(4)
    return below.mul_(4 / tau), weight


GATE = Gate(
    name="sigmoid",
    formula="(4/τ)·σ(τ(r − 1))",
    source="SAPO (2511.20347, eq 6); 2602.19345, eq 3",
    parameter="tau",
    **from_both(both),
    half_width=lambda tau: 2 * math.acosh(math.sqrt(2)) / tau,
    admissible=True,
)
