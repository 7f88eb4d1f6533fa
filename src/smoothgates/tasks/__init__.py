"""The tasks. Text only: problems, demonstrations and verdicts; nothing here knows tensors."""

from smoothgates.tasks.math import TASK as MATH
from smoothgates.tasks.task import Problem, Task, Verdict

TASKS: dict[str, Task] = {"math": MATH}

__all__ = ["TASKS", "Problem", "Task", "Verdict"]
