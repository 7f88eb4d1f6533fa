"""The tasks. Text only: examples, prompts, demonstrations and verdicts; nothing here knows tensors.

A task is a folder with an object `TASK`, imported by name, so that a job of one task depends on that folder alone.
"""

from importlib import import_module
from pkgutil import iter_modules

from smoothgates.tasks.task import Judge, Task

NAMES = tuple(module.name for module in iter_modules(__path__) if module.ispkg)
"""The folders here: adding one adds a task."""


def load_task(name: str) -> Task:
    """The task of this name."""
    return import_module(f"smoothgates.tasks.{name}").TASK


def load_rewards(name: str) -> dict[str, Judge]:
    """The rewards of a task, by name: `answer` reads the answer wherever a model may have put it, for `score`.

    They lie apart from `TASK`, so that jobs that judge nothing, such as making data, do not depend on verifiers.
    """
    return import_module(f"smoothgates.tasks.{name}.rewards").REWARDS


def judging_parts(name: str) -> tuple[str, str]:
    """Code of a task that a stage uses if it judges completions, as `code_of` takes it."""
    return f"tasks.{name}", f"tasks.{name}.rewards"
