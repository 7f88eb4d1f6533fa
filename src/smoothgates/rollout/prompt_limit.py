"""The limit on prompts: training leaves longer ones out, and a benchmark with a longer one is refused."""

from collections.abc import Sequence

from smoothgates.errors import BadInput
from smoothgates.policy.text import Text
from smoothgates.rollout.task_setup import TaskSetup
from smoothgates.tasks.task import Example

BATCH = 1000


def within_prompt_limit(
    examples: Sequence[Example], text: Text, task_setup: TaskSetup, wanted: int = 1
) -> Sequence[Example]:
    """The examples with prompts within the protocol's limit. Raises BadInput if fewer than `wanted` remain."""
    limit = task_setup.protocol.max_prompt_tokens
    found: Sequence[Example] = examples
    if limit is not None:
        found = []
        for first in range(0, len(examples), BATCH):
            some = examples[first : first + BATCH]
            prompts = text.prompts(task_setup.prompt, [example.question for example in some])
            found += [example for example, prompt in zip(some, prompts, strict=True) if len(prompt) <= limit]
    if not found:
        raise BadInput(f"protocol.max_prompt_tokens: {limit} is too few: every training example has a longer prompt")
    if len(found) < wanted:
        raise BadInput(
            f"sampling.prompts: expected at most {len(found)}, the number of training examples, got {wanted}"
        )
    return found


def check_prompt_lengths(examples: list[Example], prompts: list[list[int]], task_setup: TaskSetup) -> None:
    """Raise BadInput if the prompt of an example is longer than the limit."""
    limit = task_setup.protocol.max_prompt_tokens
    for example, prompt in zip(examples, prompts, strict=True):
        if limit is not None and len(prompt) > limit:
            raise BadInput(
                f"protocol.max_prompt_tokens: {limit} is too few: the prompt of '{example.id}' has {len(prompt)} tokens"
            )
