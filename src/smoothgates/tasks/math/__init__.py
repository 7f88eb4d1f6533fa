"""Math: generated word problems and public sets, with answers in \\boxed{} or <answer>."""

from smoothgates.tasks.math.catalogue import SOURCES
from smoothgates.tasks.math.exact import exact
from smoothgates.tasks.math.prompts import PROMPTS
from smoothgates.tasks.math.rewards import REWARDS
from smoothgates.tasks.math.word_problems import WORD_PROBLEMS
from smoothgates.tasks.task import Task, each

TASK = Task(
    name="math",
    prompts=PROMPTS,
    rewards={**REWARDS, "exact": each(exact)},
    generators={"word_problems": WORD_PROBLEMS},
    sources=SOURCES,
)
