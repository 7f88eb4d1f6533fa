"""The arctan gate: f′ is a Lorentzian, with tails r⁻²."""

from smoothgates.gates.gate import Gate, Scale, Sign, Values


def value(ratio: Values, tau: Scale, positive: Sign) -> Values:
    return 1 + (tau * (ratio - 1)).arctan() / tau


def weight(ratio: Values, tau: Scale, positive: Sign) -> Values:
    return (1 + (tau * (ratio - 1)).square()).reciprocal()


GATE = Gate(
    name="arctan",
    formula="1 + arctan(τ(r − 1))/τ",
    source="2602.19345, eq 7",
    parameter="tau",
    value=value,
    weight=weight,
    half_width=lambda tau: 1 / tau,
    admissible=True,
)
