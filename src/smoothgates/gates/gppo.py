"""GPPO's gradient-preserving clip: beyond a bound φ stays at the bound, where PPO's φ drops to 0.

φ is PPO's clipped ratio: min(r, 1 + ε) for Â > 0, max(r, 1 − ε) for Â ≤ 0. Above 1 that is CISPO; below 1 a token with
Â ≤ 0 keeps at least 1 − ε. Its f′ grows without bound as r → 0, so it meets none of the four conditions.

Left out: the factors β₁ and β₂, which the paper sets to 1, and the ceiling on r of the code base, verl's dual clip. The
published loss shows the value of the clipped ratio; ours is the f whose derivative the published gradient is.
"""

from smoothgates.gates import clip
from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, epsilon: Scale, positive: Sign) -> tuple[Values, Values]:
    phi = clip.value(ratio, epsilon, positive)
    beyond = (ratio / phi).log_()  # 0 where the clip keeps r
    return beyond.add_(1).mul_(phi), phi.div_(ratio)


GATE = Gate(
    name="gppo",
    formula="φ = min(r, 1 + ε) if Â > 0 else max(r, 1 − ε)",
    source="GPPO (2508.07629)",
    parameter="clip",
    **from_both(both),
    half_width=lambda epsilon: 1 + 2 * epsilon,
    admissible=False,
)
