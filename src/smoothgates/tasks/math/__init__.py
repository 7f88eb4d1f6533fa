"""Math: three-step word problems, answered in \\boxed{}."""

from smoothgates.tasks.math.verify import verify
from smoothgates.tasks.math.word_problems import generate, hasty
from smoothgates.tasks.task import Task

TASK = Task(name="math", generate=generate, hasty=hasty, verify=verify)
