"""K4: verdicts a second over outputs of public models or, where these are missing, over generated answers."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from smoothgates.seeds import python_stream
from smoothgates.tasks import load_rewards, load_task
from smoothgates.tasks.math.verifier.equality import POOL, PUBLISHED
from smoothgates.tasks.task import Answered, Example

from .harness import Row, summary

DATA = Path("../shared/data")
PUBLIC = {
    "math, GSM8K outputs": ("math", "math/rollouts_gsm8k_openai.jsonl"),
    "math, MATH outputs": ("math", "math/rollouts_math_qwen.jsonl"),
    "logic, TinyLlama's outputs": ("logic", "logic/rollouts_kk_tinyllama.jsonl"),
    "toolqa, R1-Searcher's outputs": ("toolqa", "toolqa/rollouts_hotpotqa_qwen.jsonl"),
}
"""What is judged: the task, and the file below DATA."""
GENERATED = {"math": "word_problems", "logic": "kk2", "toolqa": "families"}
"""Generator of each task's problems."""
POOLS = (POOL, PUBLISHED)
LEAST = 2_000
"""Verdicts in one measurement: a smaller batch is judged several times over."""


def measure(folder: Path = DATA, count: int = 2_000, repeats: int = 5) -> Iterator[Row]:
    """Each batch as a whole; those of math beside math-verify, which judges in the same worker processes."""
    files = {what: (task, folder / name) for what, (task, name) in PUBLIC.items()}
    if all(path.is_file() for _, path in files.values()):
        batches = {what: (task, outputs(path)[:count]) for what, (task, path) in files.items()}
    else:
        batches = {f"{task}, generated": (task, generated(task, count)) for task in GENERATED}
    for what, (task, batch) in batches.items():
        judges = {name: judge for name, judge in load_rewards(task).items() if name in ("answer", "math_verify")}
        found: dict[str, list[float]] = {name: [] for name in judges}
        for _ in range(repeats):
            for name, judge in judges.items():
                found[name].append(speed(judge, batch, min(LEAST, count) if name == "answer" else 1))
        fields = {"part": "K4", "what": f"verdicts: {what}, {len(batch):,} rows", "unit": "1/s"}
        against = "math-verify" if "math_verify" in found else ""
        yield summary(found["answer"], found.get("math_verify"), **fields, against=against)
    for pool in POOLS:
        pool.close()


def speed(judge: Callable[[list[Answered]], object], batch: list[Answered], least: int) -> float:
    """Verdicts a second of at least so many: by the clock, because worker processes judge too."""
    for pool in POOLS:
        pool.close()  # and with its workers what they remember
        pool.judge([(["1/2"], "0.5")] * 4 * pool.size)
    times = -(-least // len(batch))
    began = time.perf_counter()
    for _ in range(times):
        judge(batch)
    return times * len(batch) / (time.perf_counter() - began)


def outputs(path: Path) -> list[Answered]:
    """Rows of model outputs, in the form that a judge takes."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [(row["response"], Example(row["id"], row["question"], (row["gold"],)), False) for row in rows]


def generated(task: str, count: int) -> list[Answered]:
    """Problems of the laptop's generator, each with its own solution as output."""
    stream = load_task(task).generators[GENERATED[task]].generate(python_stream(0, "verdicts"))
    examples = [next(stream) for _ in range(count)]
    return [(f"<answer>{example.answers[0]}</answer>", example, False) for example in examples]
