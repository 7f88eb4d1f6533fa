"""Public sets of Knights & Knaves puzzles, split as in Logic-RL.

The original set has 1,000 training puzzles of each size. Logic-RL keeps sizes 3 to 7 and sets the first 100 of each
aside; of the other 900, the last 100 are our development set. `kk_test` is the original test split, sizes 2 to 8.
"""

import ast
from collections.abc import Callable
from typing import Any

from smoothgates.tasks.task import Example, Row, Source, example_of


def puzzle(row: Row) -> Example | None:
    """Read the original columns ({quiz, solution_text_format, ...}), also Logic-RL's, or those of a mirror.

    `extra` has names, solution (whether each is a knight), statements (nested lists), and the words for the two roles
    if they are not knight and knave.

    >>> words = {"knight": "saint", "knave": "sinner"}
    >>> row = {"quiz": "Who is who?", "names": ["Zoey"], "solution": [False], "index": 7, "knight_knave": words,
    ...     "solution_text_format": "(1) Zoey is a sinner", "statements": "(('lying', 0),)"}
    >>> puzzle(row).answers, puzzle(row).extra["statements"], puzzle(row).extra["liar"]
    (('(1) Zoey is a sinner',), [['lying', 0]], 'sinner')
    """
    if "quiz" not in row:
        meta = row.get("meta") or {}
        roles = {key: meta[key] for key in ("truth_teller", "liar") if meta.get(key)}
        return example_of(str(row["id"]), row["question"], [row["answer"]], _extra(row) | roles)
    words = row.get("knight_knave") or {}
    roles = {key: words[word] for key, word in (("truth_teller", "knight"), ("liar", "knave")) if words.get(word)}
    id = f"{len(row['names'])}ppl-{row['index']}"
    return example_of(id, row["quiz"], [row["solution_text_format"]], _extra(row) | roles)


def _extra(row: Row) -> dict[str, Any]:
    """Return names, solution and statements. The original set writes the statements as a Python tuple."""
    statements = row.get("statements")
    if isinstance(statements, str):
        statements = ast.literal_eval(statements)
    found = {"names": row.get("names"), "solution": row.get("solution"), "statements": statements}
    return {key: _as_lists(value) for key, value in found.items() if value is not None}


def _as_lists(value: Any) -> Any:
    return [_as_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def _indexed(wanted: range) -> Callable[[Row], Example | None]:
    """Return a reader of the original rows with these indices. Mirrors are already split."""
    return lambda row: puzzle(row) if "quiz" not in row or row["index"] in wanted else None


# The commit of the current files, from the set's history.
_HUB = ("K-and-K/knights-and-knaves", "8cbfa837f57ea77e73f09990cc6f7aadc41d98a3")
_TRAIN = tuple(f"train/people{size}_num1000.jsonl" for size in range(3, 8))

SOURCES: dict[str, Source] = {
    "kk_train": Source(_indexed(range(100, 900)), *_HUB, _TRAIN),
    "kk_dev": Source(_indexed(range(900, 1000)), *_HUB, _TRAIN),
    "kk_test": Source(puzzle, *_HUB, tuple(f"test/people{size}_num100.jsonl" for size in range(2, 9))),
    "kk_2ppl_8ppl": Source(puzzle),
    "kk_perturbed": Source(puzzle),
}
