"""Knights & Knaves: decide from everybody's statements who tells the truth and who lies."""

from smoothgates.tasks.logic.catalogue import SOURCES
from smoothgates.tasks.logic.laptop import LAPTOP
from smoothgates.tasks.logic.prompts import PROMPTS
from smoothgates.tasks.logic.puzzles import PUZZLES
from smoothgates.tasks.task import Task

TASK = Task(name="logic", prompts=PROMPTS, generators={"kk2": LAPTOP, **PUZZLES}, sources=SOURCES)
