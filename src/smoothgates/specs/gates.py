"""What `gates` and `check-gate` are told."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from smoothgates.io.records import Record
from smoothgates.methods.method import GateName

GATE_CHECK = "smoothgates.gate_check"
"""Schema of what the check of a gate leaves."""


class CheckGateSpec(Record):
    """Which gate to check. Nothing of a study: one check serves all methods that use it."""

    gate: GateName


class GatesSpec(Record):
    """Curves of the catalogue."""

    tau: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    clip: PositiveFloat
