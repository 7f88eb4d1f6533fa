"""The four conditions that 2602.19345 (section 4) sets for a gate, checked numerically.

A condition must hold for both signs of the advantage. Monotone is meant weakly: f′ may stay at its maximum but may
not rise.
"""

from dataclasses import asdict, dataclass, fields

from smoothgates.gates.gate import Gate

CHECK_SCALE = {"tau": 10.0, "clip": 0.2, "none": 1.0}
"""The scale at which to check a gate, by its parameter."""


@dataclass(frozen=True)
class Admissibility:
    """Which of the four conditions hold."""

    smooth: bool
    """(i) f is C¹: f′ has no jump and is the derivative of f."""
    peak: bool
    """(ii) f′ has its global maximum, equal to 1, at r = 1."""
    monotone: bool
    """(iii) f′ never rises from r = 1 outwards."""
    vanishing: bool
    """(iv) φ(r) = r·f′(r) → 0 as r → ∞. A tail of f′ like 1/r is not enough."""

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
    found = failures(gate, scale)
    return Admissibility(**{field.name: field.name not in found for field in fields(Admissibility)})


def failures(gate: Gate, scale: float) -> dict[str, float]:
    """Return the conditions that do not hold, each with the first ratio at which it fails.

    >>> from smoothgates.gates import GATES
    >>> failures(GATES["clip"], scale=0.2)
    {'smooth': 1.2000..., 'vanishing': 1000000.0}
    """
    return _failures(gate, scale, False) | _failures(gate, scale, True)


def _failures(gate: Gate, scale: float, positive: bool) -> dict[str, float]:
    import torch

    step, tolerance = 1e-5, 1e-9
    ratio = torch.arange(0, 5 + step, step, dtype=torch.float64)
    f, weight = gate.value(ratio, scale, positive), gate.weight(ratio, scale, positive)
    at_one = round(1 / step)
    steps = weight.diff()

    # Between two points f′ of a smooth gate changes by less than 100τ·step; a jump does not shrink with the step.
    smooth = steps.abs() < 100 * max(scale, 1.0) * step
    smooth[:-1] &= ((f[2:] - f[:-2]) / (2 * step) - weight[1:-1]).abs() < 1e-3
    peak = weight < 1 + tolerance
    peak[at_one] &= (weight[at_one] - 1).abs() < tolerance
    monotone = torch.cat([-steps[:at_one], steps[at_one:]]) < tolerance
    distant = torch.tensor([1e6, 1e9, 1e12], dtype=torch.float64)
    far = gate.phi(distant, scale, positive).abs()
    vanishing = torch.stack([far[0] >= far[1], far[1] >= far[2], far[2] < 1e-6])

    holds = {
        "smooth": (smooth, ratio[1:]),
        "peak": (peak, ratio),
        "monotone": (monotone, ratio[1:]),
        "vanishing": (vanishing, distant),
    }
    return {name: at[~passed][0].item() for name, (passed, at) in holds.items() if not passed.all()}
