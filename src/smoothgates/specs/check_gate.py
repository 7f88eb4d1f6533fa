"""Spec of `check-gate`."""

from smoothgates.io.records import Record
from smoothgates.methods.gate_name import GateName


class CheckGateSpec(Record):
    """The gate to check. It has no other field, so that one check serves all methods that use the gate."""

    gate: GateName
