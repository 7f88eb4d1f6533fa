"""gates: the catalogue and the curves of all gates, so that the report can draw them without loading torch."""

from pathlib import Path

from smoothgates.analysis.theory import checked
from smoothgates.gates import GATES
from smoothgates.gates.catalogue import catalogue, curve_rows
from smoothgates.io.files import write_json, write_parquet
from smoothgates.io.manifests.gates import GatesManifest
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.gates import GatesSpec


def run(spec_text: str, curves: Path, out: Path, env: str | None = None) -> None:
    """Write f, f′ and φ of every gate on a grid of ratios to `curves`, and the catalogue to `out`.

    The catalogue also has what the checks of theory found, for `analyse`.
    """
    spec = parse_spec(GatesSpec, spec_text)
    execution = Execution("gates", spec, tuple(f"gates.{name}" for name in GATES), env=env)
    write_parquet(curves, curve_rows(spec.tau, spec.clip))
    write_json(
        out,
        {
            "schema": GatesManifest.SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "gates": catalogue(),
            "theory": checked(),
        },
    )
    execution.write(out.parent / "run.json", [out, curves])
