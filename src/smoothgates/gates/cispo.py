"""CISPO: φ is the ratio, capped from above and detached; no token loses its gradient.

φ(r) = min(r, 1 + ε), so f′ = min(1, (1 + ε)/r). MiniMax and TRL give the cap itself ("ε_high = 5"):
write `clip: [4, 4]` for a cap of 5.
"""

from smoothgates.gates.gate import Gate, Scale, Sign, Values


def value(ratio: Values, epsilon: Scale, positive: Sign) -> Values:
    cap = 1 + epsilon
    return ratio.clamp(max=cap) + cap * (ratio / cap).clamp(min=1).log()


def weight(ratio: Values, epsilon: Scale, positive: Sign) -> Values:
    cap = 1 + epsilon
    return ratio.clamp(min=cap).reciprocal_().mul_(cap)


GATE = Gate(
    name="cispo",
    formula="φ = min(r, 1 + ε), i.e. r up to the cap, then (1 + ε)(1 + ln(r/(1 + ε)))",
    source="MiniMax-M1 (2506.13585, eq 4)",
    parameter="clip",
    value=value,
    weight=weight,
    half_width=lambda epsilon: 1 + 2 * epsilon,
    admissible=False,
    detached=True,
)
