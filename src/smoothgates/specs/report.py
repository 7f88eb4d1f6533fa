"""Spec of `report`: what the page shows that the results do not say."""

from typing import Annotated

from pydantic import Field

from smoothgates.io.records import Record
from smoothgates.methods.method import Method


class ReportSpec(Record):
    """What the report needs to know apart from the results."""

    study: str
    reference: str
    """Method that the others are compared with."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Level of the confidence intervals."""
    methods: dict[str, Method]
    order: tuple[str, ...]
    """Names of the methods, in the order of figures and tables."""
    moe: tuple[str, ...] = ()
    """Regimes whose policies have experts and start from `warm_start_moe`."""
    notes: dict[str, str] = Field(default={})
    """By title: what the study can show and what it cannot."""
    indexes: tuple[str, ...] = ()
    """Names of the indexes that the study's tasks search."""
    analysed: str
    """sha256 of the spec of the analysis that the report shows."""
