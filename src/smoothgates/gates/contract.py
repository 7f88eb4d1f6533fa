"""What must hold for every gate. Trainings wait for this check, because no later step would detect a wrong gate.

The loss computes gradients from f′ alone (objective/loss.py): if f′ is not the derivative of f, training still runs,
but with a gate other than its formula says. The checks run in double precision, for both signs of the advantage and on
all log-ratios that the loss lets through.
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
"""The scales at which to check a gate, by its parameter: from the narrowest to the widest that methods use."""
FARTHEST = 20.0
"""The largest |log r| that the loss lets through (objective/ratio.py)."""
STEP = 2e-4
"""Step in log r, smaller than the narrowest clip."""
TOLERANCE = 1e-9
"""Relative tolerance of a weight in double precision."""


def check_contract(gate: Gate) -> None:
    """Check a gate. Raises BadInput naming the gate, the property that fails and the ratio at which it fails."""
    for scale in SCALES[gate.parameter]:
        for positive in (True, False):
            case = Case(gate, scale, positive)
            case.check_numbers()
            case.check_derivative()
        check_half_width(gate, scale)
        check_elementwise(gate, scale)
        check_both(gate, scale)
    if gate.parameter == "tau":
        check_widths(gate)
    if gate.admissible:
        for condition, ratio in failures(gate, CHECK_SCALE[gate.parameter]).items():
            fail(gate, f"claims to be admissible, but is not {condition} at ratio {ratio:g}")


def fail(gate: Gate, what: str) -> NoReturn:
    raise BadInput(f"gate '{gate.name}': {what}")


@dataclass(frozen=True)
class Case:
    """A gate at one scale for one sign of the advantage."""

    gate: Gate
    scale: float
    positive: bool

    def check_numbers(self) -> None:
        """f and f′ are finite, also in the single precision of training; f′(1) = 1."""
        for dtype in (torch.float64, torch.float32):
            for name in ("value", "weight"):
                self.of(name, grid().to(dtype))
        one = torch.ones(1, dtype=torch.float64)
        if abs(self.of("weight", one).item() - 1) > TOLERANCE:
            self.fail("weight is not 1 on-policy", one, self.of("weight", one))

    def check_derivative(self) -> None:
        """f rises between two ratios by the integral of f′, which Simpson's rule approximates.

        The error allowed is the second difference of f′, so that the check also holds across the kink of a hard clip.
        """
        ratio, length = grid(), grid().diff()
        between = ratio[:-1] + length / 2
        f, weight, middle = self.of("value", ratio), self.of("weight", ratio), self.of("weight", between)
        first, last = weight[:-1], weight[1:]
        rise = f.diff() / length
        # f may be a sum of rounded terms as large as max(1, |f|), which nearly cancel near r = 0.
        largest = 1 + torch.maximum(f[:-1].abs(), f[1:].abs())
        allowed = (first - 2 * middle + last).abs() + TOLERANCE * middle.abs()
        allowed += 8 * torch.finfo(f.dtype).eps * largest / length
        off = (rise - (first + 4 * middle + last) / 6).abs() - allowed
        worst = int(off.argmax())
        if off[worst] > 0:
            what = f"weight is not the derivative of value, which rises by {rise[worst]:.6g}"
            self.fail(what, between[worst], middle[worst])

    def width(self) -> float:
        """Return the half-width; fail unless it is a positive number."""
        try:
            width = float(self.gate.half_width(self.scale))
        except Exception as error:
            self.fail(f"half_width raises {type(error).__name__}: {error}")
        if not width > 0:
            self.fail(f"half_width is {width:g}, expected a positive distance")
        return width

    def of(self, name: str, ratio: Tensor) -> Tensor:
        """Return f (`value`) or f′ (`weight`) at these ratios; fail unless it is one finite number for each."""
        return evaluate(self, name, ratio, self.scale, self.positive)

    def fail(self, what: str, ratio: Tensor | None = None, weight: Tensor | None = None) -> NoReturn:
        at = "" if ratio is None else f"; at ratio {ratio.item():.6g}"
        found = "" if weight is None else f" weight is {weight.item():.6g}"
        scale = "" if self.gate.parameter == "none" else f"{self.gate.parameter} {self.scale:g}, "
        fail(self.gate, f"{what}{at}{found} ({scale}Â {'>' if self.positive else '≤'} 0)")


def evaluate(case: Case, name: str, ratio: Tensor, scale: Tensor | float, positive: Tensor | bool) -> Tensor:
    """Return `value` or `weight` of the case's gate, in the shape and type of `ratio`; fail if it is anything else."""
    try:
        found = getattr(case.gate, name)(ratio, scale, positive)
    except Exception as error:  # a user's formula may raise anything
        case.fail(f"{name} raises {type(error).__name__}: {' '.join(str(error).split())}")
    if not isinstance(found, torch.Tensor) or (found.shape, found.dtype) != (ratio.shape, ratio.dtype):
        shown = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, torch.Tensor) else repr(found)
        case.fail(f"{name}: expected {ratio.dtype} {tuple(ratio.shape)} like the ratios, got {shown}")
    if not found.isfinite().all():
        case.fail(f"{name} is not finite in {ratio.dtype}", ratio[~found.isfinite()][0])
    return found


def check_half_width(gate: Gate, scale: float) -> None:
    """f′ falls through ½ at the half-width, for one sign of Â at least, and nowhere nearer to r = 1."""
    cases = [Case(gate, scale, positive) for positive in (True, False)]
    width = cases[0].width()
    # There are no ratios below 0.
    sides = torch.tensor([1.0, -1.0] if width < 1 else [1.0], dtype=torch.float64)
    if width != math.inf:
        inside, outside = ([case.of("weight", 1 + sides * width * share) for case in cases] for share in (0.999, 1.001))
        if not any(((a >= 0.5) & (b <= 0.5)).any() for a, b in zip(inside, outside, strict=True)):
            what = f"half_width is {width:.6g}, but weight is not ½ there"
            cases[0].fail(what, 1 + sides[-1] * width, inside[0][-1])
    ratio = grid()
    ratio = ratio[(ratio - 1).abs() < 0.999 * width]
    for case in cases:
        weight = case.of("weight", ratio)
        if (weight < 0.5).any():
            what = (
                "half_width is infinite"
                if width == math.inf
                else f"half_width is {width:.6g}, but weight falls to ½ before"
            )
            case.fail(what, ratio[weight < 0.5][0], weight[weight < 0.5][0])


def check_elementwise(gate: Gate, scale: float) -> None:
    """Values for a tensor of signs and scales equal those for each alone: in training every token has its own."""
    ratio = grid()[::1000]
    positive = torch.arange(len(ratio)) % 2 == 0
    scales = torch.where(positive, ratio.new_tensor(scale), ratio.new_tensor(scale / 2))
    for name in ("value", "weight"):
        case = Case(gate, scale, True)
        batched = evaluate(case, name, ratio, scales, positive)
        single = torch.where(positive, case.of(name, ratio), Case(gate, scale / 2, False).of(name, ratio))
        wrong = ratio[~torch.isclose(batched, single, rtol=TOLERANCE, atol=TOLERANCE)]
        if len(wrong):
            fail(gate, f"{name} mixes tokens that differ in scale or sign of Â; at ratio {wrong[0].item():.6g}")


def check_both(gate: Gate, scale: float) -> None:
    """`both`, which the loss calls, gives what `value` and `weight` give."""
    ratio = grid()[::1000]
    for positive in (True, False):
        for name, found in zip(("value", "weight"), gate.value_and_weight(ratio, scale, positive), strict=True):
            wrong = ratio[~torch.isclose(found, getattr(gate, name)(ratio, scale, positive), rtol=TOLERANCE)]
            if len(wrong):
                fail(gate, f"both differs from {name} at ratio {wrong[0].item():.6g}")


def check_widths(gate: Gate) -> None:
    """Half-width × τ is constant: a method that gives a half-width relies on it to compute τ."""
    unit = Case(gate, 1.0, True).width()
    for scale in SCALES["tau"]:
        width = Case(gate, scale, True).width()
        if not math.isclose(width * scale, unit, rel_tol=1e-6):
            fail(gate, f"half_width is {width:g} at tau {scale:g}, expected half_width(1)/tau = {unit / scale:g}")


def grid() -> Tensor:
    """Return ratios (n,), evenly spaced in log r over all that the loss lets through; 1 is one of them."""
    steps = round(FARTHEST / STEP)
    return (torch.arange(-steps, steps + 1, dtype=torch.float64) * STEP).exp()
