"""The PPO/GRPO hard clip with its pessimistic minimum, one bound for each sign of Â.

min(rÂ, clip(r, 1 − ε_low, 1 + ε_high)Â) is min(r, 1 + ε_high)·Â for Â > 0 and
max(r, 1 − ε_low)·Â for Â ≤ 0. Equal bounds give GRPO, a wider upper one gives DAPO's clip-higher.
"""

from smoothgates.gates.gate import Gate, Scale, Sign, Values, by_sign


def value(ratio: Values, epsilon: Scale, positive: Sign) -> Values:
    return by_sign(positive, ratio.clamp(max=1 + epsilon), ratio.clamp(min=1 - epsilon))


def weight(ratio: Values, epsilon: Scale, positive: Sign) -> Values:
    return by_sign(positive, ratio <= 1 + epsilon, ratio >= 1 - epsilon).to(ratio.dtype)


GATE = Gate(
    name="clip",
    formula="min(r, 1 + ε) if Â > 0 else max(r, 1 − ε)",
    source="PPO (1707.06347, eq 7); GRPO (2402.03300); as a gate: SAPO (2511.20347, eq 23)",
    parameter="clip",
    value=value,
    weight=weight,
    half_width=lambda epsilon: epsilon,
    admissible=False,
)
