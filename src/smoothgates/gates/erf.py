"""The error-function gate: f′ is a Gaussian, so its tails vanish fastest."""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, tau: Scale, positive: Sign) -> tuple[Values, Values]:
    x = (ratio - 1).mul_(tau / math.sqrt(2))
    f = x.erf().mul_(math.sqrt(math.pi / 2) / tau).add_(1)
    return f, x.square_().neg_().exp_()


GATE = Gate(
    name="erf",
    formula="1 + √(π/2)/τ · erf(τ(r − 1)/√2)",
    source="2602.19345, eq 6",
    parameter="tau",
    **from_both(both),
    half_width=lambda tau: math.sqrt(2 * math.log(2)) / tau,
    admissible=True,
)
