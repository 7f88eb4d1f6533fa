"""What every gate must be, whatever it claims. Trainings wait for this check, because nothing after it would notice.

Gradients are made from f′ alone (objective/loss.py): one that is not the derivative of its f trains to a report all the
same, about a gate that is not the one in the formula. All is checked in double precision, for both signs of the
advantage and on every log-ratio that the loss lets through.
"""

import math
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from smoothgates.errors import BadInput
from smoothgates.gates.admissibility import CHECK_SCALE, failures
from smoothgates.gates.gate import Gate

SCALES = {"tau": (0.3, 1.0, 5.0, 10.0, 15.0), "clip": (3e-4, 0.2, 0.5, 4.0), "none": (1.0,)}
"""At which gates are checked, by what their scale means: as narrow and as wide as methods have them."""
FARTHEST = 20.0
"""Of |log r|: the loss lets nothing beyond through (objective/ratio.py)."""
STEP = 2e-4
"""Of log r: less than the narrowest clip."""
TOLERANCE = 1e-9
"""Of a weight, relative, in double precision."""


def check_contract(gate: Gate) -> None:
    """Raises BadInput that names the gate, the property that it lacks and the ratio at which that shows."""
    for scale in SCALES[gate.parameter]:
        for positive in (True, False):
            case = Case(gate, scale, positive)
            case.check_numbers()
            case.check_derivative()
            case.check_half_width()
        check_elementwise(gate, scale)
    if gate.parameter == "tau":
        check_widths(gate)
    if gate.admissible:
        for condition, ratio in failures(gate, CHECK_SCALE[gate.parameter]).items():
            refuse(gate, f"claims to be admissible, but is not {condition} at ratio {ratio:g}")


def refuse(gate: Gate, what: str) -> NoReturn:
    raise BadInput(f"gate '{gate.name}': {what}")


@dataclass(frozen=True)
class Case:
    """A gate at one scale for one sign of the advantage."""

    gate: Gate
    scale: float
    positive: bool

    def check_numbers(self) -> None:
        """f and f′ are finite, also in the single precision of training; on-policy every gate is open."""
        for dtype in (torch.float64, torch.float32):
            for name in ("value", "weight"):
                self.of(name, grid().to(dtype))
        one = torch.ones(1, dtype=torch.float64)
        if abs(self.of("weight", one).item() - 1) > TOLERANCE:
            self.refuse("weight is not 1 on-policy", one, self.of("weight", one))

    def check_derivative(self) -> None:
        """Between two ratios f rises by the mean of f′, which Simpson's rule gives.

        It is off by no more than f′ bends on the way. So this holds across the kink of a hard clip, too.
        """
        ratio, length = grid(), grid().diff()
        between = ratio[:-1] + length / 2
        f, slope, middle = self.of("value", ratio), self.of("weight", ratio), self.of("weight", between)
        first, last = slope[:-1], slope[1:]
        rise = f.diff() / length
        # f is a sum of terms about as large as 1 and as itself, each rounded; near r = 0 little of it is left.
        largest = 1 + torch.maximum(f[:-1].abs(), f[1:].abs())
        allowed = (first - 2 * middle + last).abs() + TOLERANCE * middle.abs()
        allowed += 8 * torch.finfo(f.dtype).eps * largest / length
        off = (rise - (first + 4 * middle + last) / 6).abs() - allowed
        worst = int(off.argmax())
        if off[worst] > 0:
            what = f"weight is not the derivative of value, which rises by {rise[worst]:.6g}"
            self.refuse(what, between[worst], middle[worst])

    def check_half_width(self) -> None:
        """f′ falls through ½ at that distance from 1, on one side or the other."""
        width = self.width()
        if width == math.inf:
            ratio, slope = grid(), self.of("weight", grid())
            if (slope < 0.5).any():
                self.refuse("half_width is infinite", ratio[slope < 0.5][0], slope[slope < 0.5][0])
            return
        sides = torch.tensor([1.0, -1.0] if width < 1 else [1.0], dtype=torch.float64)
        inside, outside = (self.of("weight", 1 + sides * width * share) for share in (0.999, 1.001))
        falls = (inside >= 0.5) & (outside <= 0.5)
        # Where the advantage is not positive a gate may act below 1 alone; and there are no ratios below 0.
        if not falls.any() and (self.positive or width < 1):
            self.refuse(f"half_width is {width:.6g}, but weight is not ½ there", 1 + sides[-1] * width, inside[-1])

    def width(self) -> float:
        try:
            width = float(self.gate.half_width(self.scale))
        except Exception as error:
            self.refuse(f"half_width raises {type(error).__name__}: {error}")
        if not width > 0:
            self.refuse(f"half_width is {width:g}, expected a distance")
        return width

    def of(self, name: str, ratio: Tensor) -> Tensor:
        """f (`value`) or f′ (`weight`) at these ratios; refused if it is not one finite number for each."""
        return evaluated(self, name, ratio, self.scale, self.positive)

    def refuse(self, what: str, ratio: Tensor | None = None, weight: Tensor | None = None) -> NoReturn:
        at = "" if ratio is None else f"; at ratio {ratio.item():.6g}"
        found = "" if weight is None else f" weight is {weight.item():.6g}"
        scale = "" if self.gate.parameter == "none" else f"{self.gate.parameter} {self.scale:g}, "
        refuse(self.gate, f"{what}{at}{found} ({scale}Â {'>' if self.positive else '≤'} 0)")


def evaluated(case: Case, name: str, ratio: Tensor, scale: Tensor | float, positive: Tensor | bool) -> Tensor:
    try:
        found = getattr(case.gate, name)(ratio, scale, positive)
    except Exception as error:  # whatever a user's formula may raise
        case.refuse(f"{name} raises {type(error).__name__}: {' '.join(str(error).split())}")
    if not isinstance(found, torch.Tensor) or (found.shape, found.dtype) != (ratio.shape, ratio.dtype):
        shown = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, torch.Tensor) else repr(found)
        case.refuse(f"{name}: expected {ratio.dtype} {tuple(ratio.shape)} like the ratios, got {shown}")
    if not found.isfinite().all():
        case.refuse(f"{name} is not finite in {ratio.dtype}", ratio[~found.isfinite()][0])
    return found


def check_elementwise(gate: Gate, scale: float) -> None:
    """A tensor of signs and of scales gives what each of them gives alone: in training every token has its own."""
    ratio = grid()[::1000]
    positive = torch.arange(len(ratio)) % 2 == 0
    scales = torch.where(positive, ratio.new_tensor(scale), ratio.new_tensor(scale / 2))
    for name in ("value", "weight"):
        case = Case(gate, scale, True)
        together = evaluated(case, name, ratio, scales, positive)
        apart = torch.where(positive, case.of(name, ratio), Case(gate, scale / 2, False).of(name, ratio))
        wrong = ratio[~torch.isclose(together, apart, rtol=TOLERANCE, atol=TOLERANCE)]
        if len(wrong):
            refuse(gate, f"{name} mixes tokens that differ in scale or sign of Â; at ratio {wrong[0].item():.6g}")


def check_widths(gate: Gate) -> None:
    """A method may give a half-width instead of τ, which is found by their product being a constant."""
    unit = Case(gate, 1.0, True).width()
    for scale in SCALES["tau"]:
        width = Case(gate, scale, True).width()
        if not math.isclose(width * scale, unit, rel_tol=1e-6):
            refuse(gate, f"half_width is {width:g} at tau {scale:g}, expected half_width(1)/tau = {unit / scale:g}")


def grid() -> Tensor:
    """Ratios (n,) whose logarithms are equally far apart, over all that the loss lets through; 1 is among them."""
    steps = round(FARTHEST / STEP)
    return (torch.arange(-steps, steps + 1, dtype=torch.float64) * STEP).exp()
