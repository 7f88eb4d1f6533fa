"""The harmonic gate: φ saturates at twice its value at r = 1, so that no ratio takes over the update.

Its source has a factor λ, here 1 as there. It meets only condition (i): f′ falls from 2 at r = 0, through 1 at r = 1.
"""

from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, scale: Scale, positive: Sign) -> tuple[Values, Values]:
    sum_ = ratio + 1
    return sum_.log().mul_(2), sum_.reciprocal_().mul_(2)


GATE = Gate(
    name="harmonic",
    formula="2·ln(1 + r), φ = 2r/(1 + r)",
    source="code of VESPO before its release (harmonic_is, λ = 1); no paper",
    parameter="none",
    **from_both(both),
    half_width=lambda scale: 2.0,
    admissible=False,
)
