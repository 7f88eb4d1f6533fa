"""ASPO: for Â > 0 the importance weight is 1/r, and a soft dual clip caps the weight of both signs.

The flip gives unlikely good tokens the larger weight. Beyond PPO's bound (above 1 + ε for Â > 0, below 1 − ε for Â ≤ 0)
the gradient is 0; beyond the ceiling φ stays at the ceiling. It meets none of the four conditions.

Left out, as the loss has no entropies: the published code has wider bounds, 0.4 instead of 0.2, for the fifth of a
response's tokens with the highest entropy.
"""

import math

from smoothgates.gates import clip
from smoothgates.gates.gate import Gate, Scale, Sign, Values, by_sign, from_both

CEILING = 3.0
"""Of φ, for both signs, as in the published code."""


def both(ratio: Values, epsilon: Scale, positive: Sign) -> tuple[Values, Values]:
    flip = by_sign(positive, -1.0, 1.0)
    kept = clip.value(ratio, epsilon, positive)
    weight = kept.pow(flip)
    phi = weight.clamp(max=CEILING)
    # With q = r^±1 as the weight, f is ±∫φ d(ln q): q up to the ceiling, above it the ceiling times ln q.
    f = (weight.div_(phi)).log_().mul_(CEILING).add_(phi).sub_(1).mul_(flip).add_(1)
    return f, phi.div_(ratio).mul_(kept.eq_(ratio))


GATE = Gate(
    name="aspo",
    formula=f"φ = min(1/r, {CEILING:g}) up to r = 1 + ε if Â > 0 else min(r, {CEILING:g}) from r = 1 − ε; 0 beyond",
    source="ASPO (2510.06062); its code",
    parameter="clip",
    **from_both(both),
    half_width=lambda epsilon: min(epsilon, math.sqrt(2) - 1),
    admissible=False,
)
