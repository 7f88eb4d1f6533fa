"""gates: the catalogue as numbers, so that the report can draw gates without loading torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from smoothgates.errors import BadInput
from smoothgates.gates import GATES
from smoothgates.gates.admissibility import CHECK_SCALE, check
from smoothgates.gates.gate import Gate
from smoothgates.io.files import write_json, write_parquet
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.gates import GatesSpec

SCHEMA = "smoothgates.gates"


def run(spec_text: str, curves: Path, out: Path) -> None:
    """Write f, f′ and φ of every gate on a grid to `curves`, the catalogue to `out`."""
    spec = parse_spec(GatesSpec, spec_text)
    execution = Execution("gates", spec, tuple(f"gates.{name}" for name in GATES))
    write_parquet(curves, curve_rows(spec))
    write_json(out, {"schema": SCHEMA, "schema_version": 1, "spec": spec.model_dump(mode="json"), "gates": catalogue()})
    execution.write(out.parent / "run.json", [out, curves])


@contextmanager
def blamed(gate: Gate) -> Iterator[None]:
    """BadInput that names the gate, whatever its formulas raise: they may be a user's own, and not checked yet."""
    try:
        yield
    except Exception as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise BadInput(f"gate '{gate.name}': {what}: see `make check-gate NAME={gate.name}`") from None


def curve_rows(spec: GatesSpec) -> list[dict]:
    """Rows of gate, what its scale is, scale, sign of Â, r, f, f′, φ."""
    ratio = torch.linspace(0, 3.5, 351, dtype=torch.float64)
    rows = []
    for gate in GATES.values():
        scales = {"tau": spec.tau, "clip": (spec.clip,), "none": (1.0,)}[gate.parameter]
        for scale in scales:
            for positive in (True, False):
                with blamed(gate):
                    f, weight = gate.value(ratio, scale, positive), gate.weight(ratio, scale, positive)
                    columns = [each.tolist() for each in (ratio, f, weight, ratio * weight)]
                of = {"gate": gate.name, "parameter": gate.parameter, "scale": scale, "positive": positive}
                rows += [
                    {**of, "ratio": r, "f": f, "weight": w, "phi": phi} for r, f, w, phi in zip(*columns, strict=True)
                ]
    return rows


def catalogue() -> list[dict]:
    """One row a gate: what its file says, and which of the four conditions it is found to meet."""
    rows = []
    for gate in GATES.values():
        scale = CHECK_SCALE[gate.parameter]
        with blamed(gate):
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


DOCS_HEAD = """# Gates

The catalogue, made from the gate files by `make docs`; a test holds it to them. Conditions (i) to (iv) are those of
2602.19345, section 4, checked numerically for both signs of the advantage: f is C¹; f′ has its maximum, 1, at r = 1;
f′ never rises outwards; φ(r) = r·f′(r) vanishes as r → ∞. The half-width is the distance |r − 1| at which f′ is ½.
"""


def markdown() -> str:
    """docs/gates.md."""
    head = "| gate | f(r) | half-width of f′ | (i) C¹ | (ii) peak | (iii) falls | (iv) r·f′ → 0 | source |"
    lines = [DOCS_HEAD, head, "|---|---|---|---|---|---|---|---|"]
    for row in catalogue():
        symbol = {"tau": "τ", "clip": "ε", "none": ""}[row["parameter"]]
        width = (
            "∞"
            if row["half_width"] is None
            else f"{row['half_width']:.4g}" + (f" at {symbol} = {row['scale']:g}" if symbol else "")
        )
        ticks = ["✓" if row[key] else "✗" for key in ("smooth", "peak", "monotone", "vanishing")]
        formula = row["formula"].replace("|", "\\|")
        lines.append(f"| `{row['name']}` | {formula} | {width} | {' | '.join(ticks)} | {row['source']} |")
    return "\n".join(lines) + "\n"
