"""The error-function gate: f′ is a Gaussian, so its tails vanish fastest."""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values


def value(ratio: Values, tau: Scale, positive: Sign) -> Values:
    return 1 + math.sqrt(math.pi / 2) / tau * (tau * (ratio - 1) / math.sqrt(2)).erf()


def weight(ratio: Values, tau: Scale, positive: Sign) -> Values:
    return (-0.5 * (tau * (ratio - 1)).square()).exp()


GATE = Gate(
    name="erf",
    formula="1 + √(π/2)/τ · erf(τ(r − 1)/√2)",
    source="2602.19345, eq 6",
    parameter="tau",
    value=value,
    weight=weight,
    half_width=lambda tau: math.sqrt(2 * math.log(2)) / tau,
    admissible=True,
)
