"""Settings of AdamW, and schedules of supervised training."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from smoothgates.io.bounds import Samples, Updates, UpdatesOrNone
from smoothgates.io.records import Record
from smoothgates.specs.fields import Decay, Share


class Adam(Record):
    """AdamW with a linear warm-up; gradients are clipped by their global norm."""

    lr: PositiveFloat
    """Peak learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    warmup: UpdatesOrNone = 0
    """Number of updates over which the rate rises from 0."""
    decay: Literal["none", "linear"] = "none"
    """`linear`: the rate falls to 0 at the end of the run."""
    grad_clip: PositiveFloat = 1.0
    """Gradients with a larger global norm are scaled down to it. The norm before clipping is logged."""


class SupervisedPhase(Record):
    """Updates on demonstrations, with a cosine decay of the learning rate."""

    steps: Updates
    optimizer: Adam
    final_lr: Share = 0.0
    """Final learning rate as a share of the peak."""
    hasty: Share = 0.0
    """Share of demonstrations that guess the answer instead of reasoning."""


class Supervised(Record):
    """A schedule of supervised phases. Each phase starts with a new optimiser."""

    batch_size: Samples
    phases: Annotated[tuple[SupervisedPhase, ...], Field(min_length=1)]
