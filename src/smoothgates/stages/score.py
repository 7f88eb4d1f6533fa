"""score: judge completions of any model with the code that rewards training."""

from collections import Counter
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.evaluate.score_file import score_file
from smoothgates.provenance.code_closure import code_digest
from smoothgates.tasks import NAMES, judging_parts, load_rewards, load_task
from smoothgates.tasks.task import Judge


def run(task: str, reward: str, source: Path, out: Path) -> Counter[str]:
    """Judge each row of `source`, in order, by the `reward` of a task and write the verdicts to `out`.

    Returns how many verdicts have each reason.

    `evaluate/completions.py` describes the rows, `evaluate/score_file.py` the verdicts. `-` reads standard input.
    Raises BadInput for a row that cannot be judged, and TryAgain while another process writes to `out`.
    """
    judge = find_judge(task, reward)
    made_by = {"task": task, "reward": reward, "code": code_digest("score", judging_parts(task))}
    reasons, new = score_file(judge, made_by, source, out)
    print(f"{out}: {reasons.total()} verdicts, {new} of them new")
    return reasons


def find_judge(task: str, reward: str) -> Judge:
    """Return the judge that a task names `reward`. It reads what the policy wrote, without the output of tools."""
    if task not in NAMES:
        raise BadInput(f"--task: expected one of {', '.join(NAMES)}, got '{task}'")
    known = load_task(task)
    rewards = load_rewards(task)
    if reward not in rewards:
        raise BadInput(f"--reward: expected one of {', '.join(sorted(rewards))} for {task}, got '{reward}'")
    return lambda batch: rewards[reward]([(known.own_words(text), example, cut) for text, example, cut in batch])
