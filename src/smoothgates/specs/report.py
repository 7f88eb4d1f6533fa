"""Spec of `report`: what the page shows besides the results."""

from typing import Annotated

from pydantic import Field

from smoothgates.io.records import Record
from smoothgates.methods.method import Method


class Schedule(Record):
    """How far off-policy the runs of a regime are. For the page; the settings of runs are in their own specs."""

    rollouts: int
    minibatches: int
    epochs: int
    lag: int
    more: dict[str, int | float | str] = Field(default={})
    """Other settings that are not the default, by name."""


class ReportSpec(Record):
    """What the report needs besides the results."""

    study: str
    reference: str
    """Method that the others are compared with."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Level of the confidence intervals."""
    methods: dict[str, Method]
    order: tuple[str, ...]
    """Names of the methods, in the order of figures and tables."""
    regimes: dict[str, Schedule]
    """Those that some task runs."""
    moe: tuple[str, ...] = ()
    """Regimes whose policies have experts and start from `warm_start_moe`."""
    notes: dict[str, str] = Field(default={})
    """Notes on what the study can and cannot show, by title."""
    indexes: tuple[str, ...] = ()
    """Names of the indexes that the study's tasks search."""
    analysed: str
    """sha256 of the spec of the analysis that the report shows."""
