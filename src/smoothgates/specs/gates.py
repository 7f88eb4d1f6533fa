"""Specs of the stages `gates` and `check-gate`."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from smoothgates.io.records import Record
from smoothgates.methods.method import GateName

GATE_CHECK = "smoothgates.gate_check"
"""Schema of the manifest that `check-gate` writes."""


class CheckGateSpec(Record):
    """The gate to check. It names no study: one check serves all methods that use the gate."""

    gate: GateName


class GatesSpec(Record):
    """The scales at which to draw the gates."""

    tau: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """Temperatures of smooth gates."""
    clip: PositiveFloat
    """Distance of a hard clip's bounds from 1."""
