"""The PPO/GRPO hard clip with its pessimistic minimum, one bound for each sign of Â.

min(rÂ, clip(r, 1 − ε_low, 1 + ε_high)Â) is min(r, 1 + ε_high)·Â for Â > 0 and
max(r, 1 − ε_low)·Â for Â ≤ 0. Equal bounds give GRPO, a wider upper one gives DAPO's clip-higher.
"""

import math

from smoothgates.gates.gate import Gate, Scale, Sign, Values, between, by_sign, from_both


def value(ratio: Values, epsilon: Scale, positive: Sign) -> Values:
    return between(ratio, by_sign(positive, -math.inf, 1 - epsilon), by_sign(positive, 1 + epsilon, math.inf))


def both(ratio: Values, epsilon: Scale, positive: Sign) -> tuple[Values, Values]:
    f = value(ratio, epsilon, positive)
    return f, f.clone().eq_(ratio)  # f′ is 1 where the clip keeps r


GATE = Gate(
    name="clip",
    formula="min(r, 1 + ε) if Â > 0 else max(r, 1 − ε)",
    source="PPO (1707.06347, eq 7); GRPO (2402.03300); as a gate: SAPO (2511.20347, eq 23)",
    parameter="clip",
    **from_both(both),
    half_width=lambda epsilon: epsilon,
    admissible=False,
)
