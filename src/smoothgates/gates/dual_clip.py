"""The hard clip with a ceiling on r for Â < 0, so that a single token cannot dominate the update."""

import math

from smoothgates.gates import clip
from smoothgates.gates.gate import Gate, Scale, Sign, Values, by_sign

CEILING = 3.0
"""c of dual-clip PPO and of verl's default; AR-Lopti's scripts use 10."""


def value(ratio: Values, epsilon: Scale, positive: Sign) -> Values:
    return clip.value(ratio, epsilon, positive).clamp(max=by_sign(positive, math.inf, CEILING))


def weight(ratio: Values, epsilon: Scale, positive: Sign) -> Values:
    return value(ratio, epsilon, positive).eq_(ratio)


GATE = Gate(
    name="dual_clip",
    formula=f"min(r, 1 + ε) if Â > 0 else min(max(r, 1 − ε), {CEILING:g})",
    source="dual-clip PPO (1912.09729, eq 5)",
    parameter="clip",
    value=value,
    weight=weight,
    half_width=lambda epsilon: epsilon,
    admissible=False,
)
