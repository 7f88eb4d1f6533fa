"""Spec of `gates`."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from smoothgates.io.records import Record


class GatesSpec(Record):
    """Scales at which the curves of the catalogue are computed."""

    tau: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """Temperatures of smooth gates."""
    clip: PositiveFloat
    """Distance of a clip's bounds from 1."""
