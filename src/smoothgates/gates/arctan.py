"""The arctan gate: f′ is a Lorentzian, with tails r⁻²."""

from smoothgates.gates.gate import Gate, Scale, Sign, Values, from_both


def both(ratio: Values, tau: Scale, positive: Sign) -> tuple[Values, Values]:
    x = (ratio - 1).mul_(tau)
    return x.arctan().div_(tau).add_(1), x.square_().add_(1).reciprocal_()


GATE = Gate(
    name="arctan",
    formula="1 + arctan(τ(r − 1))/τ",
    source="2602.19345, eq 7",
    parameter="tau",
    **from_both(both),
    half_width=lambda tau: 1 / tau,
    admissible=True,
)
