"""Settings of optimizers: AdamW, shared by supervised training and RL, and Muon, for supervised training only."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat

from smoothgates.io.bounds import UpdatesOrNone
from smoothgates.io.records import Record
from smoothgates.specs.fields import Decay


class Adam(Record):
    """AdamW with a linear warm-up; gradients are clipped by their global norm."""

    lr: PositiveFloat
    """Peak learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    warmup: UpdatesOrNone = 0
    """Updates over which the learning rate rises from 0."""
    decay: Literal["none", "linear"] = "none"
    """`linear`: the learning rate falls to 0 at the run's last update."""
    grad_clip: PositiveFloat = 1.0
    """Gradients with a larger global norm are scaled down to it. The norm before clipping is logged."""


class Muon(Record):
    """Muon, for the matrices of a policy's layers. Warm-up, decay and clipping are those of the AdamW beside it."""

    lr: PositiveFloat
    """Peak learning rate: a step has about this length in every direction of a square matrix."""
    momentum: Decay = 0.8
