"""check-gate: is a gate what its file says? A job of its own, once a gate, that all trainings with it wait for."""

from pathlib import Path

from smoothgates.gates import GATES
from smoothgates.gates.contract import check_contract
from smoothgates.io.files import write_json
from smoothgates.io.manifests.gate_check import GateCheck
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.check_gate import CheckGateSpec


def run(spec_text: str, out: Path | None = None) -> None:
    """Write `out`, or without it say that all is well. Raises BadInput naming the property that the gate lacks."""
    spec = parse_spec(CheckGateSpec, spec_text)
    execution = Execution("check_gate", spec, (f"gates.{spec.gate}",))
    check_contract(GATES[spec.gate])
    if out is None:
        print(f"gate '{spec.gate}': nothing is wrong")
        return
    write_json(out, {"schema": GateCheck.SCHEMA, "schema_version": 1, "spec": spec.model_dump(mode="json")})
    execution.write(out.parent / "run.json", [out])
