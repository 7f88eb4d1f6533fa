"""The four conditions that 2602.19345 (section 4) asks of a gate, checked numerically.

A gate passes a condition when it holds for both signs of the advantage. The conditions are read
weakly: a plateau of f′ at its maximum is allowed, a rise is not.
"""

from dataclasses import asdict, dataclass, fields

from smoothgates.gates.gate import Gate

CHECK_SCALE = {"tau": 10.0, "clip": 0.2, "none": 1.0}
"""At which gates are checked, by what their scale means."""


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
    found = failures(gate, scale)
    return Admissibility(**{field.name: field.name not in found for field in fields(Admissibility)})


def failures(gate: Gate, scale: float) -> dict[str, float]:
    """The conditions that do not hold, each with the first ratio at which it shows.

    >>> from smoothgates.gates import GATES
    >>> failures(GATES["clip"], scale=0.2)
    {'smooth': 1.2000..., 'vanishing': 1000000.0}
    """
    return _failures(gate, scale, False) | _failures(gate, scale, True)


def _failures(gate: Gate, scale: float, positive: bool) -> dict[str, float]:
    import torch

    step, tolerance = 1e-5, 1e-9
    ratio = torch.arange(0, 5 + step, step, dtype=torch.float64)
    f, slope = gate.value(ratio, scale, positive), gate.weight(ratio, scale, positive)
    at_one = round(1 / step)
    steps = slope.diff()

    # A jump of f′ does not shrink with the step, a slope does: 100τ·step bounds f″ of every smooth gate here.
    smooth = steps.abs() < 100 * max(scale, 1.0) * step
    smooth[:-1] &= ((f[2:] - f[:-2]) / (2 * step) - slope[1:-1]).abs() < 1e-3
    peak = slope < 1 + tolerance
    peak[at_one] &= (slope[at_one] - 1).abs() < tolerance
    monotone = torch.cat([-steps[:at_one], steps[at_one:]]) < tolerance
    places = torch.tensor([1e6, 1e9, 1e12], dtype=torch.float64)
    far = gate.phi(places, scale, positive)
    vanishing = torch.stack([far[0] >= far[1], far[1] >= far[2], far[2] < 1e-6])

    held = {
        "smooth": (smooth, ratio[1:]),
        "peak": (peak, ratio),
        "monotone": (monotone, ratio[1:]),
        "vanishing": (vanishing, places),
    }
    return {name: where[~each][0].item() for name, (each, where) in held.items() if not each.all()}
