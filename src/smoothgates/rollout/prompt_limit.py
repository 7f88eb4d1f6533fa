"""The limit on prompts: longer ones are left out of training, and no benchmark may have one."""

from smoothgates.errors import BadInput
from smoothgates.policy.text import Text
from smoothgates.rollout.task_setup import Setting
from smoothgates.tasks.task import Example

BATCH = 1000


def fitting(examples: list[Example], text: Text, setting: Setting, wanted: int = 1) -> list[Example]:
    """The examples whose prompts are within the protocol's limit; BadInput if fewer are than a rollout wants."""
    limit, found = setting.protocol.max_prompt_tokens, []
    if limit is None:
        found = examples
    else:
        for first in range(0, len(examples), BATCH):
            some = examples[first : first + BATCH]
            prompts = text.prompts(setting.prompt, [example.question for example in some])
            found += [example for example, prompt in zip(some, prompts, strict=True) if len(prompt) <= limit]
    if not found:
        raise BadInput(f"protocol.max_prompt_tokens: {limit} is too few: no example to train on has so short a prompt")
    if len(found) < wanted:
        raise BadInput(f"sampling.prompts: {wanted} is more than the {len(found)} examples to train on")
    return found


def check_fit(examples: list[Example], prompts: list[list[int]], setting: Setting) -> None:
    """Raise BadInput if the prompt of an example is too long."""
    limit = setting.protocol.max_prompt_tokens
    for example, prompt in zip(examples, prompts, strict=True):
        if limit is not None and len(prompt) > limit:
            raise BadInput(
                f"protocol.max_prompt_tokens: {limit} is too few: the prompt of '{example.id}' has {len(prompt)} tokens"
            )
