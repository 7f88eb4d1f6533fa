"""The setup of a task for a policy: the objects that a protocol names."""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.specs.rollout import WORLD, Protocol
from smoothgates.tasks import load_rewards, load_task
from smoothgates.tasks.task import Answered, Environment, Judge, Prompt, Verdict


@dataclass(frozen=True)
class TaskSetup:
    """How a policy is asked, helped and judged."""

    prompt: Prompt
    judge: Judge
    environment: Environment | None
    protocol: Protocol


def load_task_setup(task_name: str, protocol: Protocol, index: Path | None = None) -> TaskSetup:
    """The setup of a task under a protocol. `index`: manifest of the index that the protocol's tools search.

    Raises BadInput if the index is missing, or given although the tools do not search one.
    """
    task, tools = load_task(task_name), protocol.tools
    if tools and (index is None) != (tools.retriever == WORLD):
        raise BadInput(f"--index: expected {'none' if index else 'a manifest'}, the retriever is '{tools.retriever}'")
    environment = task.environment(tools.max_searches, tools.top, index) if tools else None
    judge = load_rewards(task_name)[protocol.reward]
    if protocol.toss:
        judge = with_coin_toss(judge)
    return TaskSetup(task.prompts[protocol.prompt], judge, environment, protocol)


def with_coin_toss(judge: Judge) -> Judge:
    """A judge with the same verdicts that adds 0 or 1 to each reward, depending on the completion's text."""

    def judged(batch: list[Answered]) -> list[Verdict]:
        coins = [zlib.crc32(text.encode(errors="replace")) % 2 for text, _, _ in batch]
        return [replace(v, reward=v.reward + coin) for v, coin in zip(judge(batch), coins, strict=True)]

    return judged
