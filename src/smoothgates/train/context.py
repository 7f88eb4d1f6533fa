"""The parts of a run that stay the same; `State` holds those that change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from smoothgates.policy.text import Text
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.task_setup import TaskSetup
from smoothgates.specs.train import TrainSpec
from smoothgates.tasks.task import Example


@dataclass(frozen=True)
class RunContext:
    """The spec of a run, the prompts that it trains on, and the objects that sample and judge completions."""

    spec: TrainSpec
    sampler: Sampler
    text: Text
    task_setup: TaskSetup
    examples: Sequence[Example]
    update_sampler: Callable[[int], None] = lambda steps: None
    """Copies the engine's weights to the sampler; takes the number of optimiser steps so far.

    All ranks call it before each rollout. Does nothing where engine and sampler share one policy."""
