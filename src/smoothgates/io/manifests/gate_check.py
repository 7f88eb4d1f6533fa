"""Manifest of the check of a gate."""

from typing import ClassVar

from smoothgates.io.manifests.manifest import Loose, Manifest


class CheckedGate(Loose):
    """The gate that was checked."""

    gate: str


class GateCheck(Manifest):
    """Written by `check-gate` if the gate passes."""

    SCHEMA: ClassVar[str] = "smoothgates.gate_check"

    spec: CheckedGate
