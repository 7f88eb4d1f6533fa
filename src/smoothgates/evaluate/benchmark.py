"""Ask a policy every problem several times; keep each answer; add up with honest errors."""

import math

from smoothgates.policy.text import Text
from smoothgates.rollout.collect import answer
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.task_setup import Setting
from smoothgates.seeds import torch_stream
from smoothgates.specs.evaluate import EvaluateSpec
from smoothgates.tasks.task import Example


def ask(
    sampler: Sampler,
    text: Text,
    setting: Setting,
    examples: list[Example],
    samples: int,
    spec: EvaluateSpec,
    temperature: float,
) -> list[dict]:
    """One row per sample. Every checkpoint gets the same random stream, so that two of them differ by policy alone."""
    stream = torch_stream(spec.seed, f"evaluate {spec.benchmark}")
    answers = answer(sampler, text, setting, examples, samples, stream, temperature)
    lengths = answers.completions.mask.sum(1).tolist()
    judged = zip(answers.texts, answers.verdicts, lengths, answers.replies, strict=True)
    return [
        {
            "benchmark": spec.benchmark,
            "problem": i // samples,
            "id": examples[i // samples].id,
            "sample": i % samples,
            "prompt": setting.prompt.in_one(examples[i // samples].question),
            "completion": completion,
            "answer": examples[i // samples].answers[0],
            "extracted": verdict.extracted,
            "correct": float(verdict.reason == "correct"),
            "reward": verdict.reward,
            "components": verdict.components,
            "reason": verdict.reason,
            "tokens": length,
            "replies": replies,
        }
        for i, (completion, verdict, length, replies) in enumerate(judged)
    ]


def pass_at(k: int, n: int, correct: int) -> float:
    """Unbiased estimate, from n samples of which some are correct, that at least one of k would be (2107.03374, eq 1).

    >>> pass_at(1, 4, 1), pass_at(2, 4, 1), pass_at(4, 4, 1), pass_at(2, 4, 3)
    (0.25, 0.5, 1.0, 1.0)
    """
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def summarise(rows: list[dict]) -> dict[str, float | int | None]:
    """avg@k with its standard errors, pass@k, and how answers failed. A sample counts if its answer is correct.

    `standard_error` is over problems: samples of one problem are not independent, so it is that of the mean of
    per-problem means. `sampling_error` is what remains if the problems are held fixed and only the samples are drawn
    again: the noise of a comparison on the same problems. None where there is too little to tell. `no_search`: answers
    given without any reply of a tool; `replies`: their mean number. Each of the reward's components has its mean, such
    as `component_f1`.

    >>> rewards = [(0, 1.0), (0, 1.0), (1, 0.0), (1, 1.0)]
    >>> common = {"reason": "wrong", "tokens": 5, "replies": 0, "components": {}}
    >>> rows = [{"problem": p, "correct": r, "reward": r, **common} for p, r in rewards]
    >>> found = summarise(rows); found["score"], found["standard_error"], found["sampling_error"], found["pass_at_2"]
    (0.75, 0.25, 0.25, 1.0)
    """
    by_problem: dict[int, list[float]] = {}
    for row in rows:
        by_problem.setdefault(row["problem"], []).append(row["correct"])
    means = [sum(correct) / len(correct) for correct in by_problem.values()]
    n = len(means)
    score = sum(means) / n
    k = len(rows) // n
    error = math.sqrt(sum((mean - score) ** 2 for mean in means) / (n - 1) / n) if n > 1 else None
    spread = (
        sum((correct - sum(own) / k) ** 2 / (k - 1) for own in by_problem.values() for correct in own) if k > 1 else 0
    )
    powers = [2**i for i in range(1, k.bit_length())]

    def share(reason: str) -> float:
        return sum(row["reason"] == reason for row in rows) / len(rows)

    return {
        "problems": n,
        "samples": k,
        "score": score,
        "standard_error": error,
        "sampling_error": math.sqrt(spread / k) / n if k > 1 else None,
        **{f"pass_at_{m}": sum(pass_at(m, k, int(sum(own))) for own in by_problem.values()) / n for m in powers},
        "reward": sum(row["reward"] for row in rows) / len(rows),
        **{f"component_{c}": sum(row["components"][c] for row in rows) / len(rows) for c in rows[0]["components"]},
        **{reason: share(reason) for reason in ("truncated", "unparsable", "timeout")},
        "no_search": sum(row["replies"] == 0 for row in rows) / len(rows),
        "replies": sum(row["replies"] for row in rows) / len(rows),
        "tokens": sum(row["tokens"] for row in rows) / len(rows),
    }
