"""Schedules of supervised training."""

from typing import Annotated

from pydantic import Field

from smoothgates.io.bounds import Samples, Updates
from smoothgates.io.records import Record
from smoothgates.specs.fields import Share
from smoothgates.specs.optimizer import Adam, Muon


class SupervisedPhase(Record):
    """Updates on demonstrations, with cosine decay of the learning rate."""

    steps: Updates
    optimizer: Adam
    matrices: Muon | None = None
    """How the matrices of the layers are trained. None: by `optimizer`, as everything else."""
    final_lr: Share = 0.0
    """Learning rate at the end of the cosine, as a share of the peak rate."""
    hasty: Share = 0.0
    """Share of demonstrations that guess at once instead of reasoning."""


class Supervised(Record):
    """A sequence of supervised phases, each with a fresh optimizer."""

    batch_size: Samples
    phases: Annotated[tuple[SupervisedPhase, ...], Field(min_length=1)]
