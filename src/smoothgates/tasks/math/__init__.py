"""Math: word problems of our own, and the public sets, answered in \\boxed{} or <answer>."""

from smoothgates.tasks.math.catalogue import SOURCES
from smoothgates.tasks.math.prompts import PROMPTS
from smoothgates.tasks.math.word_problems import WORD_PROBLEMS
from smoothgates.tasks.task import Task

TASK = Task(
    name="math",
    prompts=PROMPTS,
    generators={"word_problems": WORD_PROBLEMS},
    sources=SOURCES,
)
