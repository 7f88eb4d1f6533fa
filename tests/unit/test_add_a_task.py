"""A folder in tasks/ is all that a new task needs: data and scoring work without an edit elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MINE = '''"""Add one."""

from smoothgates.tasks.task import Example, Generator, Prompt, Task, Verdict, each


def generate(rng):
    while True:
        number = rng.randrange(10**6)
        yield Example(str(number), f"{number} + 1?", (str(number + 1),))


def exact(completion, example, truncated):
    right = completion.strip() in example.answers
    return Verdict(float(right), {"answer": float(right)}, completion, "correct" if right else "wrong")


TASK = Task(
    name="mine",
    prompts={"bare": Prompt()},
    rewards={"answer": each(exact)},
    generators={"sums": Generator(generate)},
    markers=("<sum>", "</sum>"),
)
'''


@pytest.fixture(scope="module")
def smoothgates(tmp_path_factory):
    """Runs a command in a copy of the source that has the new folder."""
    checkout = tmp_path_factory.mktemp("copy")
    source = checkout / "src"
    shutil.copytree("src", source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree("envs", checkout / "envs")
    (source / "smoothgates/tasks/mine").mkdir()
    (source / "smoothgates/tasks/mine/__init__.py").write_text(MINE)

    def run(*arguments: str | Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(source)}
        subprocess.run([sys.executable, "-m", "smoothgates", *arguments], env=environment, check=True)

    return run


def test_its_data_are_prepared_and_its_completions_scored(smoothgates, tmp_path):
    part = {"source": "sums", "rows": 20}
    spec = {"task": "mine", "train": [part], "benchmarks": {"heldout": part}, "seed": 0}
    smoothgates("prepare", "--spec", json.dumps(spec), "--out", tmp_path / "data.json")
    assert json.loads((tmp_path / "data.json").read_text())["overlap"]["heldout"]["benchmark"] == 20
    rows = [{"id": i, "completion": text, "answer": "3"} for i, text in enumerate(("3", "4"))]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    smoothgates("score", "--task", "mine", "--in", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
    verdicts = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [verdict["reward"] for verdict in verdicts] == [1, 0]
