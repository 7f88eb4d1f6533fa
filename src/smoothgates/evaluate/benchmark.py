"""Ask a policy every problem several times; keep each answer; add up with honest errors."""

import math

from tokenizers import Tokenizer

from smoothgates.policy.qwen2 import Qwen2
from smoothgates.rollout.collect import answer
from smoothgates.seeds import torch_stream
from smoothgates.specs import EvaluateSpec
from smoothgates.tasks import Problem, Task


def ask(
    policy: Qwen2, tokenizer: Tokenizer, task: Task, problems: list[Problem], samples: int, spec: EvaluateSpec
) -> list[dict]:
    """One row per sample. Every checkpoint gets the same random stream, so that two of them differ by policy alone."""
    stream = torch_stream(spec.seed, f"evaluate {spec.benchmark}")
    answers = answer(policy, tokenizer, task, problems, samples, spec.max_new_tokens, stream)
    lengths = answers.completions.mask.sum(1).tolist()
    rows = []
    for i, (text, verdict, length) in enumerate(zip(answers.texts, answers.verdicts, lengths, strict=True)):
        problem = problems[i // samples]
        rows.append(
            {
                "benchmark": spec.benchmark,
                "problem": i // samples,
                "sample": i % samples,
                "prompt": problem.question,
                "completion": text,
                "answer": problem.answer,
                "extracted": verdict.extracted,
                "reward": verdict.reward,
                "reason": verdict.reason,
                "tokens": length,
            }
        )
    return rows


def summarise(rows: list[dict]) -> dict[str, float | int | None]:
    """avg@k with its standard errors, and how answers failed.

    `standard_error` is over problems: samples of one problem are not independent, so it is that of the mean of
    per-problem means. `sampling_error` is what remains if the problems are held fixed and only the samples are drawn
    again: the noise of a comparison on the same problems. None where there is too little to tell.

    >>> rewards = [(0, 1.0), (0, 1.0), (1, 0.0), (1, 1.0)]
    >>> rows = [{"problem": p, "reward": r, "reason": "wrong", "tokens": 5} for p, r in rewards]
    >>> found = summarise(rows); found["score"], found["standard_error"], found["sampling_error"]
    (0.75, 0.25, 0.25)
    """
    by_problem: dict[int, list[float]] = {}
    for row in rows:
        by_problem.setdefault(row["problem"], []).append(row["reward"])
    means = [sum(rewards) / len(rewards) for rewards in by_problem.values()]
    n = len(means)
    score = sum(means) / n
    k = len(rows) // n
    error = math.sqrt(sum((mean - score) ** 2 for mean in means) / (n - 1) / n) if n > 1 else None
    spread = (
        sum((reward - sum(own) / k) ** 2 / (k - 1) for own in by_problem.values() for reward in own) if k > 1 else 0
    )
    return {
        "problems": n,
        "samples": k,
        "score": score,
        "standard_error": error,
        "sampling_error": math.sqrt(spread / k) / n if k > 1 else None,
        "truncated": sum(row["reason"] == "truncated" for row in rows) / len(rows),
        "unparsable": sum(row["reason"] == "unparsable" for row in rows) / len(rows),
        "tokens": sum(row["tokens"] for row in rows) / len(rows),
    }
