"""Completions to read: what the policies of the last checkpoints answered, and how it was judged."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from smoothgates.errors import BadInput
from smoothgates.io.paths import Paths, samples_of
from smoothgates.provenance.integrity import vouched
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.control import CONTROL

COLUMNS = ["problem", "sample", "prompt", "completion", "answer", "extracted", "correct", "reason"]
LONGEST = 1200
"""The most characters of a text that are shown."""
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""Characters that a browser does not show, or that change the order of others."""


def visible(text: Any) -> str:
    r"""Make a text of a model safe to read: no character hides or moves others, and it has an end.

    >>> visible("a\x00b" + chr(0x202E) + "c")
    'a\\x00b\\u202ec'
    """
    text = text if isinstance(text, str) else ""  # where there is none, parquet has None or NaN
    shown = INVISIBLE.sub(lambda found: ascii(found[0])[1:-1], text[:LONGEST])
    left = len(text) - LONGEST
    return f"{shown} … ({left} more characters)" if left > 0 else shown


def samples(paths: Paths, spec: AnalyseSpec) -> list[dict[str, Any]]:
    """The answers of every method to the same two problems, for each task, regime and benchmark.

    The problems are the first one, and the first that some methods solved and others did not. Of each method, the
    first sample of the first seed is shown whose file matches its record.
    """
    found = []
    for task, arms in spec.tasks.items():
        for regime in dict.fromkeys(regime for regime, _ in arms.arms if regime != CONTROL):
            methods = [method for own, method in arms.arms if own == regime]
            for benchmark in arms.benchmarks:
                cell = {"task": task, "regime": regime, "benchmark": benchmark}
                answers = {
                    method: rows
                    for method in methods
                    if (rows := _first_samples(paths, spec.seeds, {**cell, "method": method})) is not None
                }
                if answers:
                    found.append({**cell, "problems": _problems(answers)})
    return found


def _first_samples(paths: Paths, seeds: tuple[int, ...], arm: dict[str, str]) -> pd.DataFrame | None:
    """The first sample of each problem, by the number of the problem; with its seed."""
    for seed in seeds:
        scores = paths.scores.format(**arm, seed=seed)
        try:
            path = vouched(Path(samples_of(scores)), Path(scores))
        except BadInput:
            continue  # a gap, which the analysis has named
        rows = pd.read_parquet(path, columns=COLUMNS)
        return rows[rows["sample"] == 0].assign(seed=seed).set_index("problem")
    return None


def _problems(answers: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Two problems with the answers of each method."""
    correct = pd.DataFrame({method: rows["correct"] for method, rows in answers.items()}).dropna()
    divided = correct[(correct.max(axis=1) > correct.min(axis=1)) & (correct.index != correct.index.min())]
    chosen = [correct.index.min(), *divided.index[:1]] if len(correct) else []
    shown = []
    for problem in chosen:
        rows = {method: rows.loc[problem] for method, rows in answers.items()}
        first = next(iter(rows.values()))
        shown.append(
            {
                "prompt": visible(first["prompt"]),
                "answer": visible(first["answer"]),
                "completions": [
                    {
                        "method": method,
                        "seed": int(row["seed"]),
                        "completion": visible(row["completion"]),
                        "read": visible(row["extracted"]),
                        "correct": bool(row["correct"]),
                        "reason": visible(row["reason"]),
                    }
                    for method, row in rows.items()
                ],
            }
        )
    return shown
