"""check-gate: check the properties that a gate's file claims. One job for each gate; its trainings wait for it."""

from pathlib import Path

from smoothgates.gates import GATES
from smoothgates.gates.contract import check_contract
from smoothgates.io.files import write_json
from smoothgates.io.manifests.gate_check import GateCheck
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.check_gate import CheckGateSpec


def run(spec_text: str, out: Path | None = None, env: str | None = None) -> None:
    """Check a gate and write `out`; without `out`, print that the gate passed.

    Raises BadInput naming the property that does not hold.
    """
    spec = parse_spec(CheckGateSpec, spec_text)
    execution = Execution("check_gate", spec, (f"gates.{spec.gate}",), env=env)
    check_contract(GATES[spec.gate])
    if out is None:
        print(f"gate '{spec.gate}': all checks passed")
        return
    write_json(out, {"schema": GateCheck.SCHEMA, "schema_version": 1, "spec": spec.model_dump(mode="json")})
    execution.write(out.parent / "run.json", [out])
