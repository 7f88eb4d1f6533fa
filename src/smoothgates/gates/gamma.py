"""VESPO's gate: φ is a gamma density scaled to φ(1) = 1, with constants by the sign of Â.

φ(r) = r^k·exp(λ(1 − r)) has its maximum at r = k/λ: below 1 for Â > 0, above 1 for Â ≤ 0. VESPO takes the ratio of the
whole sequence for r (`ratio: product`). It meets conditions (i) and (iv); for Â > 0, f′ rises to 2.5 at r = 1/3.
"""

from smoothgates.gates.gate import Gate, Scale, Sign, Values, by_sign

K = (2.0, 3.0)
"""k for Â > 0 and for Â ≤ 0, as in the published code and in TRL."""
RATE = (3.0, 2.0)
"""λ, likewise."""


def value(ratio: Values, scale: Scale, positive: Sign) -> Values:
    """f from f(0) = 0 by the regularised incomplete gamma function P: f(r) = P(k, λr)·e^λ·Γ(k)/λ^k."""
    zeros = ratio.new_zeros(ratio.shape)
    k, rate = zeros + by_sign(positive, *K), zeros + by_sign(positive, *RATE)
    largest = (rate + k.lgamma() - k * rate.log()).exp()
    return k.igamma(rate * ratio) * largest


def weight(ratio: Values, scale: Scale, positive: Sign) -> Values:
    exponent = (1 - ratio).mul_(by_sign(positive, *RATE))
    return exponent.add_(ratio.log().mul_(by_sign(positive, K[0] - 1, K[1] - 1))).exp_()


GATE = Gate(
    name="gamma",
    formula=f"φ = r^k·exp(λ(1 − r)), (k, λ) = ({K[0]:g}, {RATE[0]:g}) if Â > 0 else ({K[1]:g}, {RATE[1]:g})",
    source="VESPO (2602.10693, section 3.4); its code and TRL",
    parameter="none",
    value=value,
    weight=weight,
    half_width=lambda scale: 0.32480386839664277,  # the root of r·exp(3(1 − r)) = ½ above 1, minus 1
    admissible=False,
    detached=True,
)
