"""TOPR's tapered weights: no importance weight for Â > 0, one of at most 1 for Â ≤ 0.

φ = 1 for Â > 0, as in supervised training, and φ = min(r, 1) for Â ≤ 0, where r is the ratio of the whole sequence
(`ratio: product`). For Â > 0, f′ = 1/r grows without bound as r → 0, so it meets none of the four conditions.
"""

from smoothgates.gates.gate import Gate, Scale, Sign, Values, by_sign


def value(ratio: Values, scale: Scale, positive: Sign) -> Values:
    tapered = ratio.clamp(min=by_sign(positive, 0.0, 1.0))
    return ratio - tapered + tapered.log() + 1


def weight(ratio: Values, scale: Scale, positive: Sign) -> Values:
    return ratio.clamp(min=by_sign(positive, 0.0, 1.0)).reciprocal_()


GATE = Gate(
    name="topr",
    formula="φ = 1 if Â > 0 else min(r, 1)",
    source="TOPR (2503.14286): its canonical taper, [1, 1] and [0, 1]",
    parameter="none",
    value=value,
    weight=weight,
    half_width=lambda scale: 1.0,
    admissible=False,
    detached=True,
)
