"""Runs a benchmark: samples answers to its problems, keeps them all, and summarises them with standard errors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smoothgates.data.examples import read_examples
from smoothgates.errors import BadInput
from smoothgates.rollout.collect import Actor
from smoothgates.rollout.task_setup import TaskSetup, load_task_setup
from smoothgates.seeds import torch_stream
from smoothgates.specs.evaluate import EvaluateSpec, SamplingBudget
from smoothgates.tasks.task import Example


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's problems and how they are asked."""

    spec: EvaluateSpec
    task_setup: TaskSetup
    examples: Sequence[Example]

    def samples(
        self, actor: Actor, prompts: list[list[int]], budget: SamplingBudget, greedy: bool = False
    ) -> tuple[list[dict], list[dict]]:
        """One row for each sample, and one for each greedy answer if there are any.

        Every policy gets the same random stream, so that only the policies differ. `prompts`: of the examples.
        """
        examples, each = self.examples[: budget.problems], budget.samples + greedy
        stream = torch_stream(self.spec.seed, f"evaluate {self.spec.benchmark}")
        asked = prompts[: budget.problems]
        judged = actor.answer(examples, budget.samples, stream, self.spec.temperature, greedy, asked)
        lengths = judged.completions.mask.sum(1).tolist()
        texts = [self.task_setup.prompt.in_one(example.question) for example in examples]
        rows = [
            {
                "benchmark": self.spec.benchmark,
                "problem": i // each,
                "id": examples[i // each].id,
                "sample": i % each,
                "prompt": texts[i // each],
                "completion": text,
                "answer": examples[i // each].answers[0],
                "extracted": verdict.extracted,
                "correct": float(verdict.reason == "correct"),
                "reward": verdict.reward,
                "components": verdict.components,
                "reason": verdict.reason,
                "tokens": lengths[i],
                "replies": judged.replies[i],
            }
            for i, (text, verdict) in enumerate(zip(judged.texts, judged.verdicts, strict=True))
        ]
        sampled = [row for row in rows if row["sample"] < budget.samples]
        return sampled, [row for row in rows if row["sample"] == budget.samples]


def load_benchmark(spec: EvaluateSpec, data: Path, index: Path | None) -> Benchmark:
    """The benchmark of a spec, from the manifest of the task's data and that of its index.

    Raises BadInput if the data hold fewer problems than the spec asks for.
    """
    examples, wanted = read_examples(data, spec.benchmark), spec.final.problems
    if len(examples) < wanted:
        raise BadInput(f"{data}: {spec.benchmark}: expected at least {wanted} problems, got {len(examples)}")
    return Benchmark(spec, load_task_setup(spec.task, spec.protocol, index), examples)


def pass_at(k: int, n: int, correct: int) -> float:
    """Unbiased estimate, from n samples, that at least one of k samples is correct (2107.03374, eq 1).

    >>> pass_at(1, 4, 1), pass_at(2, 4, 1), pass_at(4, 4, 1), pass_at(2, 4, 3)
    (0.25, 0.5, 1.0, 1.0)
    """
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def summarise(rows: list[dict]) -> dict[str, float | int | None]:
    """avg@k with its standard errors, pass@k, and the shares of failures. A sample is correct or not.

    `standard_error`: over problems. Samples of one problem are not independent, so it is the standard error of the mean
    of per-problem means. `sampling_error`: for fixed problems and new samples, the noise of a comparison on the same
    problems. Either is None if there are too few problems or samples. `no_search`: share of answers without a tool's
    reply. `replies`: mean number of replies. Each component of the reward has its mean, such as `component_f1`.

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
