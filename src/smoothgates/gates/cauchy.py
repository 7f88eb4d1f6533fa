"""The Cauchy gate: an arctan of r, not of r − 1, so its weight is largest at r = 0 and φ largest at r = 1.

Its source has a factor λ, which may be fixed or exp(−Â). A gate knows only the sign of Â, so λ is 1, the value at
Â = 0. It meets conditions (i) and (iv).
"""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, scale: Scale, positive: Sign) -> tuple[Values, Values]:
    return ratio.arctan().mul_(2), ratio.square().add_(1).reciprocal_().mul_(2)


GATE = Gate(
    name="cauchy",
    formula="2·arctan(r), φ = 2r/(1 + r²)",
    source="code of VESPO before its release (cauchy_is, λ = 1); no paper",
    parameter="none",
    **from_both(both),
    half_width=lambda scale: math.sqrt(3) - 1,
    admissible=False,
)
