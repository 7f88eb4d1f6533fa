"""The public golds, and the verdict on one answer without worker processes."""

import json
from pathlib import Path

from smoothgates.tasks.math.verifier.equality import without_worker
from smoothgates.tasks.math.verifier.verdicts import judge

DATA = Path("../shared/data/math")


def golds() -> list[str]:
    """Return the gold of every row of the public sets, with repetitions."""
    found = []
    for path in sorted(path for path in DATA.iterdir() if path.suffix == ".jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "question" in row and "answer" in row:
                found.append(row["answer"])
    return found


def judged(golds: str | tuple[str, ...], answer: str) -> bool:
    """Return whether an answer earns the reward."""
    golds = (golds,) if isinstance(golds, str) else golds
    return (without_worker(golds, answer) or judge(golds, answer)) == "correct"
