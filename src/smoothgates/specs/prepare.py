"""Spec of `prepare`: the data of one task."""

from typing import Annotated

from pydantic import Field

from smoothgates.io.bounds import Rows, Seed
from smoothgates.io.records import Record
from smoothgates.specs.fields import Name, TaskName


class Part(Record):
    """Examples from one source: a generator of the task, or a public data set."""

    source: str
    rows: Rows | None = None
    """Number of examples. None: the whole data set. Generators need a number."""


class PrepareSpec(Record):
    """Training examples and benchmarks of one task."""

    task: TaskName
    train: Annotated[tuple[Part, ...], Field(min_length=1)]
    """Several parts are mixed in equal numbers."""
    benchmarks: dict[Name, Part]
    seed: Seed
