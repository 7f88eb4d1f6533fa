"""The tasks: examples, prompts, demonstrations and verdicts, all of them text; nothing here uses tensors.

A task is a folder with an object `TASK`. It is imported by name, so a job of one task depends on that folder alone.
"""

from importlib import import_module
from pkgutil import iter_modules

from smoothgates.tasks.task import Judge, Task

NAMES = tuple(module.name for module in iter_modules(__path__) if module.ispkg)
"""Names of the tasks, which are the folders here: adding a folder adds a task."""


def load_task(name: str) -> Task:
    """Return the task of this name. Raises ModuleNotFoundError if there is none."""
    return import_module(f"smoothgates.tasks.{name}").TASK


def load_rewards(name: str) -> dict[str, Judge]:
    """The rewards of a task, by name. `answer`, for `score`, finds the answer wherever a model may have put it.

    They are not part of `TASK`, so that jobs that judge nothing, such as `prepare`, do not depend on verifiers.
    """
    return import_module(f"smoothgates.tasks.{name}.rewards").REWARDS


def judging_parts(name: str) -> tuple[str, str]:
    """Code of a task that a stage uses if it judges completions, as `code_of` takes it."""
    return f"tasks.{name}", f"tasks.{name}.rewards"
