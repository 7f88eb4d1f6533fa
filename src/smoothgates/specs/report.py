"""What `report` is told beside the results."""

from typing import Annotated

from pydantic import Field

from smoothgates.io.records import Record
from smoothgates.methods.method import Method


class ReportSpec(Record):
    """What the report is told beside the results."""

    study: str
    reference: str
    confidence: Annotated[float, Field(gt=0, lt=1)]
    methods: dict[str, Method]
    order: tuple[str, ...]
    """Names of the methods in the order of figures and tables."""
    moe: tuple[str, ...] = ()
    """Regimes whose policies have experts, and start from `warm_start_moe`."""
    notes: dict[str, str] = Field(default={})
    """What the page says that the study can tell and cannot, by title."""
    indexes: tuple[str, ...] = ()
    """Names of the indexes that its tasks search."""
    analysed: str
    """sha256 of the spec of the analysis that it shows."""
