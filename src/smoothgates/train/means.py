"""What a run is carried out with."""

from collections.abc import Callable
from dataclasses import dataclass

from smoothgates.policy.text import Text
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.task_setup import TaskSetup
from smoothgates.tasks.task import Example
from smoothgates.train.engine.engine import Engine


@dataclass(frozen=True)
class Means:
    """Engine and sampler, and what is asked."""

    engine: Engine
    sampler: Sampler
    text: Text
    task_setup: TaskSetup
    examples: list[Example]
    sync: Callable[[], None] = lambda: None
    """Gives the engine's weights to the sampler. Called before each rollout that follows an update, and before the
    first; nothing to do where both share one policy."""
