"""No gate: plain importance sampling, f(r) = r."""

import math

from smoothgates.gates.gate import Gate

GATE = Gate(
    name="none",
    formula="r",
    source="importance-weighted policy gradient",
    parameter="none",
    value=lambda ratio, scale, positive: ratio,
    weight=lambda ratio, scale, positive: ratio.new_ones(ratio.shape),
    half_width=lambda scale: math.inf,
    admissible=False,
)
