"""The hard clip with a ceiling on r for Â < 0, so that a single token cannot dominate the update."""

import math

from smoothgates.gates import clip
from smoothgates.gates.gate import Gate, Scale, Sign, Values, by_sign, from_both

CEILING = 3.0
"""c of dual-clip PPO and of verl's default; AR-Lopti's scripts use 10."""


def both(ratio: Values, epsilon: Scale, positive: Sign) -> tuple[Values, Values]:
    f = clip.value(ratio, epsilon, positive).clamp_(max=by_sign(positive, math.inf, CEILING))
    return f, f.clone().eq_(ratio)


GATE = Gate(
    name="dual_clip",
    formula=f"min(r, 1 + ε) if Â > 0 else min(max(r, 1 − ε), {CEILING:g})",
    source="dual-clip PPO (1912.09729, eq 5)",
    parameter="clip",
    **from_both(both),
    half_width=lambda epsilon: min(epsilon, CEILING - 1),
    admissible=False,
)
