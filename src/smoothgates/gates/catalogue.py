"""The catalogue of gates: one row per gate, their curves as numbers, and the table of docs/gates.md."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from smoothgates.errors import BadInput
from smoothgates.gates import GATES
from smoothgates.gates.admissibility import CHECK_SCALE, check
from smoothgates.gates.contract import FARTHEST as LIMIT
from smoothgates.gates.gate import Gate

FARTHEST = 3.5
POINTS = 351
"""The curves are drawn on this many ratios, evenly spaced from 0 to FARTHEST."""


def curve_rows(tau: tuple[float, ...], clip: float) -> list[dict[str, Any]]:
    """Return rows of {gate, parameter, scale, positive, ratio, f, weight, phi}: each gate at each scale and sign of Â.

    Args:
        tau: temperatures at which to draw the smooth gates.
        clip: distance of the bounds from 1 at which to draw the hard clips.

    Raises BadInput naming the gate if one of its formulas fails.
    """
    ratio = torch.linspace(0, FARTHEST, POINTS, dtype=torch.float64)
    drawn = ratio.clamp(min=math.exp(-LIMIT))  # some gates are infinite at 0, which the loss never asks for
    rows = []
    for gate in GATES.values():
        for scale in {"tau": tau, "clip": (clip,), "none": (1.0,)}[gate.parameter]:
            for positive in (True, False):
                with _naming(gate):
                    f, weight = gate.value(drawn, scale, positive), gate.weight(drawn, scale, positive)
                    columns = [each.tolist() for each in (ratio, f, weight, drawn * weight)]
                of = {"gate": gate.name, "parameter": gate.parameter, "scale": scale, "positive": positive}
                rows += [
                    {**of, "ratio": r, "f": f, "weight": w, "phi": phi} for r, f, w, phi in zip(*columns, strict=True)
                ]
    return rows


def catalogue() -> list[dict[str, Any]]:
    """Return one row per gate: what its file says, and which of the four conditions of 2602.19345 hold.

    Raises BadInput naming the gate if one of its formulas fails.
    """
    rows = []
    for gate in GATES.values():
        scale = CHECK_SCALE[gate.parameter]
        with _naming(gate):
            found, width = check(gate, scale), float(gate.half_width(scale))
        rows.append(
            {
                "name": gate.name,
                "formula": gate.formula,
                "source": gate.source,
                "parameter": gate.parameter,
                "scale": scale,
                "half_width": width if width != float("inf") else None,
                "smooth": found.smooth,
                "peak": found.peak,
                "monotone": found.monotone,
                "vanishing": found.vanishing,
                "admissible": found.admissible,
            }
        )
    return rows


@contextmanager
def _naming(gate: Gate) -> Iterator[None]:
    """Turn any error of a gate's formulas into BadInput naming the gate, which may not have been checked yet."""
    try:
        yield
    except Exception as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise BadInput(f"gate '{gate.name}': {what}: run `make check-gate NAME={gate.name}`") from None


_HEAD = """# Gates

`make docs` writes this table from the gate files. Conditions (i) to (iv) are those of 2602.19345, section 4, checked
numerically for both signs of the advantage: f is C¹; f′ has its maximum, 1, at r = 1; f′ never rises outwards;
φ(r) = r·f′(r) vanishes as r → ∞. The half-width is the smallest distance |r − 1| at which f′ falls to ½, for either
sign.

A method with `one_sided: true` applies its smooth gate only where the PPO clip acts: for r > 1 when Â > 0 and for r < 1
when Â ≤ 0. Elsewhere f′ = 1.

| gate | f(r) | half-width of f′ | (i) C¹ | (ii) peak | (iii) falls | (iv) r·f′ → 0 | source |
|---|---|---|---|---|---|---|---|
"""


def markdown() -> str:
    """Return the text of docs/gates.md."""
    return _HEAD + "".join(map(_table_row, catalogue()))


def _table_row(row: dict[str, Any]) -> str:
    symbol = {"tau": "τ", "clip": "ε", "none": ""}[row["parameter"]]
    at = f" at {symbol} = {row['scale']:g}" if symbol else ""
    width = "∞" if row["half_width"] is None else f"{row['half_width']:.4g}{at}"
    ticks = " | ".join("✓" if row[key] else "✗" for key in ("smooth", "peak", "monotone", "vanishing"))
    formula = row["formula"].replace("|", "\\|")
    return f"| `{row['name']}` | {formula} | {width} | {ticks} | {row['source']} |\n"
