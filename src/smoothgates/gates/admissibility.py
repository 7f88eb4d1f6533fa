"""The four conditions that 2602.19345 (section 4) asks of a gate, checked numerically.

A gate passes a condition when it holds for both signs of the advantage. The conditions are read
weakly: a plateau of f′ at its maximum is allowed, a rise is not.
"""

from dataclasses import asdict, dataclass

from smoothgates.gates.gate import Gate


@dataclass(frozen=True)
class Admissibility:
    """Which of the four conditions hold."""

    smooth: bool
    """(i) f is C¹: f′ has no jump and is the derivative of f."""
    peak: bool
    """(ii) f′ has its global maximum, equal to 1, at r = 1."""
    monotone: bool
    """(iii) f′ never rises on the way from r = 1 outwards."""
    vanishing: bool
    """(iv) φ(r) = r·f′(r) → 0 as r → ∞. It is φ that must vanish: a tail of f′ like 1/r is not enough."""

    @property
    def admissible(self) -> bool:
        return all(asdict(self).values())


def check(gate: Gate, scale: float = 10.0) -> Admissibility:
    """Check `gate` at `scale` in double precision, on r in [0, 5] with a step of 10⁻⁵ and on r up to 10¹².

    >>> from smoothgates.gates import GATES
    >>> check(GATES["arctan"]).admissible
    True
    >>> check(GATES["clip"], scale=0.2)
    Admissibility(smooth=False, peak=True, monotone=True, vanishing=False)
    """
    signs = [_check_sign(gate, scale, positive) for positive in (True, False)]
    return Admissibility(*(all(held) for held in zip(*signs, strict=True)))


def _check_sign(gate: Gate, scale: float, positive: bool) -> tuple[bool, bool, bool, bool]:
    import torch

    step, tolerance = 1e-5, 1e-9
    ratio = torch.arange(0, 5 + step, step, dtype=torch.float64)
    f, slope = gate.value(ratio, scale, positive), gate.weight(ratio, scale, positive)
    at_one = round(1 / step)
    steps = slope.diff()

    # A jump of f′ does not shrink with the step, a slope does: 100τ·step bounds f″ of every smooth gate here.
    no_jump = steps.abs().max() < 100 * max(scale, 1.0) * step
    is_derivative = ((f[2:] - f[:-2]) / (2 * step) - slope[1:-1]).abs().max() < 1e-3
    peak = (slope[at_one] - 1).abs() < tolerance and slope.max() < 1 + tolerance
    monotone = steps[:at_one].min() > -tolerance and steps[at_one:].max() < tolerance
    far = gate.phi(torch.tensor([1e6, 1e9, 1e12], dtype=torch.float64), scale, positive)
    vanishing = far[0] >= far[1] >= far[2] and far[2] < 1e-6
    return bool(no_jump and is_derivative), bool(peak), bool(monotone), bool(vanishing)
