"""Verdicts per second, over public model outputs, and the time to generate puzzles. Run by `make bench`."""

import json
import time
from pathlib import Path
from random import Random

from smoothgates.tasks import load_rewards
from smoothgates.tasks.logic.puzzles import generate_puzzles
from smoothgates.tasks.math.verifier import equality
from smoothgates.tasks.task import Answered, Example

DATA = Path("../shared/data")


def outputs(name: str) -> list[Answered]:
    """Rows of model outputs, in the form that a judge takes."""
    with open(DATA / name, encoding="utf-8") as rows:
        found = [json.loads(row) for row in rows]
    return [(row["response"], Example(row["id"], row["question"], (row["gold"],)), False) for row in found]


def timed(what: str, judge, batch: list[Answered], repeats: int = 1) -> None:
    equality.POOL.close()  # and with its workers what they remember of earlier rows
    equality.POOL.judge([(["1/2"], "0.5")] * 4 * equality.POOL.size)
    began = time.perf_counter()
    for _ in range(repeats):
        judge(batch)
    seconds = time.perf_counter() - began
    print(f"{what:62} {repeats * len(batch) / seconds:10,.0f} a second", flush=True)


def puzzles_row() -> None:
    stream = generate_puzzles(Random(0), 5)
    began = time.perf_counter()
    for _ in range(10_000):
        next(stream)
    print(f"{'10,000 puzzles of five people':62} {time.perf_counter() - began:10.2f} s", flush=True)


def main() -> None:
    math, logic, toolqa = (load_rewards(name)["answer"] for name in ("math", "logic", "toolqa"))
    gsm8k, qwen = (outputs(f"math/rollouts_{name}.jsonl") for name in ("gsm8k_openai", "math_qwen"))
    timed("math: GSM8K outputs", math, gsm8k)
    timed("math: MATH outputs", math, qwen)
    shortcut, equality.without_worker = equality.without_worker, lambda golds, answer: None
    timed("math: GSM8K outputs, all in worker processes", math, gsm8k)
    timed("math: MATH outputs, all in worker processes", math, qwen)
    equality.without_worker = shortcut
    timed("logic: TinyLlama's outputs", logic, outputs("logic/rollouts_kk_tinyllama.jsonl"), repeats=100)
    timed("toolqa: R1-Searcher's outputs", toolqa, outputs("toolqa/rollouts_hotpotqa_qwen.jsonl"), repeats=10)
    puzzles_row()


if __name__ == "__main__":
    main()
