"""Simple Policy Optimization: a quadratic penalty on r − 1 in place of the clip.

f′ is linear: it falls to 0 at PPO's bound and is negative beyond, which pulls the ratio back. On the other side of 1 it
rises, so that of the four conditions only (i) holds.
"""

from smoothgates.gates.gate import Gate, Scale, Sign, Values, by_sign, from_both


def both(ratio: Values, epsilon: Scale, positive: Sign) -> tuple[Values, Values]:
    d = ratio - 1
    change = (d * by_sign(positive, -1.0, 1.0)).div_(epsilon)
    return d.mul_(change).div_(2).add_(ratio), change.add_(1)


GATE = Gate(
    name="spo",
    formula="r − (r − 1)²/(2ε) if Â > 0 else r + (r − 1)²/(2ε)",
    source="SPO (2401.16025); its code",
    parameter="clip",
    **from_both(both),
    half_width=lambda epsilon: epsilon / 2,
    admissible=False,
)
