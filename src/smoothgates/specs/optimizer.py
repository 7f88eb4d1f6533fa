"""AdamW and schedules of supervised training."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from smoothgates.io.bounds import Samples, Updates, UpdatesOrNone
from smoothgates.io.records import Record
from smoothgates.specs.fields import Decay, Share


class Adam(Record):
    """AdamW with a linear warm-up, gradients clipped by their global norm."""

    lr: PositiveFloat
    """Peak learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    warmup: UpdatesOrNone = 0
    """Updates over which the rate rises from 0."""
    decay: Literal["none", "linear"] = "none"
    """`linear`: the rate falls to 0 at the run's last update."""
    grad_clip: PositiveFloat = 1.0
    """Global norm above which gradients are scaled down; the norm before that is what is logged."""


class SupervisedPhase(Record):
    """Updates on demonstrations, with cosine decay."""

    steps: Updates
    optimizer: Adam
    final_lr: Share = 0.0
    """Share of the peak rate that the cosine ends at."""
    hasty: Share = 0.0
    """Share of demonstrations that guess at once instead of reasoning."""


class Supervised(Record):
    """A schedule of supervised phases, each with a fresh optimiser."""

    batch_size: Samples
    phases: Annotated[tuple[SupervisedPhase, ...], Field(min_length=1)]
