"""score: verdicts on completions of any model, by the code that rewards training.

Verdicts are appended as they are made. Killed at any moment and run again, it continues after the last whole line,
and ends with the bytes of an uninterrupted run.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any

from smoothgates.errors import BadInput
from smoothgates.progress import track
from smoothgates.tasks import NAMES, load_task
from smoothgates.tasks.task import Answered, Example, Judge, Verdict

BATCH = 256
"""Completions judged between two writes."""

Id = str | int


def run(task: str, reward: str, source: Path, out: Path) -> None:
    """Judge each row of `source`, in its order, by the `reward` of a task; write `{id, reward, components, extracted,
    reason}` for each to `out`.

    Rows are `{id, completion, answer}`, or `{id, completion, example}` with the fields of a task's example; either
    may say `truncated`. All are checked before the first is judged.
    """
    judge = find_judge(task, reward)
    ids = distinct_ids(source)
    if out.exists() and out.samefile(source):
        raise BadInput(f"--out: {out} is the file to read; name another")
    done = resume(out, ids)
    rows = islice(read_rows(source), done, None)
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "ab") as file:
        for _ in track(range(done, len(ids), BATCH), f"score (batches of {BATCH})"):
            batch = list(islice(rows, BATCH))
            file.write(b"".join(verdict_lines(judge, batch, source)))
            file.flush()


def find_judge(task: str, reward: str) -> Judge:
    if task not in NAMES:
        raise BadInput(f"--task: expected one of {', '.join(NAMES)}, got '{task}'")
    known = load_task(task)
    rewards = known.rewards
    if reward not in rewards:
        raise BadInput(f"--reward: expected one of {', '.join(sorted(rewards))} for {task}, got '{reward}'")
    return lambda batch: rewards[reward]([(known.own_words(text), example, cut) for text, example, cut in batch])


def verdict_lines(judge: Judge, batch: list[tuple[Id, Answered]], source: Path) -> Iterator[bytes]:
    """One JSON object a line. ASCII only, so that whatever text a model wrote passes, lone surrogates included."""
    try:
        verdicts = judge([answered for _, answered in batch])
    except BadInput as error:
        raise BadInput(f"{source}: {error}") from None
    for (row_id, _), verdict in zip(batch, verdicts, strict=True):
        yield json.dumps({"id": row_id, **asdict(verdict)}).encode() + b"\n"


def distinct_ids(source: Path) -> list[Id]:
    """The ids of all rows; BadInput if two are equal."""
    ids: dict[Id, None] = {}
    for i, (row_id, _) in enumerate(read_rows(source), start=1):
        ids[row_id] = None
        if len(ids) < i:
            raise BadInput(f"{source}: id: row {i} repeats the id {row_id!r}; each row needs its own")
    return list(ids)


def resume(out: Path, ids: list[Id]) -> int:
    """How many rows have their verdict in `out`; a last line that was not written to its end is cut off."""
    if not out.exists():
        return 0
    done = whole = 0
    with open(out, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            if done == len(ids) or _verdict_id(line) != ids[done]:
                raise BadInput(
                    f"{out}: line {done + 1}: not the verdict on row {done + 1} of the input; "
                    "delete the file to start afresh, or choose another --out"
                )
            done += 1
            whole += len(line)
    os.truncate(out, whole)
    return done


def read_rows(source: Path) -> Iterator[tuple[Id, Answered]]:
    """What to judge, by id; blank lines are passed over. BadInput names file, line and key."""
    try:
        with open(source, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.isspace():
                    yield parse_row(line, f"{source}: line {number}")
    except OSError as error:
        raise BadInput(f"{source}: cannot be read ({error.strerror})") from None


def parse_row(line: bytes, where: str) -> tuple[Id, Answered]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not JSON ({error})") from None
    if not isinstance(row, dict):
        raise BadInput(f"{where}: expected an object, got {_kind(row)}")
    row_id = row.get("id")
    if type(row_id) not in (str, int):
        raise BadInput(f"{where}: id: expected text or a whole number, got {_kind(row_id)}")
    completion, truncated = row.get("completion"), row.get("truncated", False)
    if not isinstance(completion, str):
        raise BadInput(f"{where}: completion: expected text, got {_kind(completion)}")
    if not isinstance(truncated, bool):
        raise BadInput(f"{where}: truncated: expected true or false, got {_kind(truncated)}")
    return row_id, (completion, parse_example(row, str(row_id), where), truncated)


def parse_example(row: dict, row_id: str, where: str) -> Example:
    """From `example` if the row has one, else from its `answer`. Where there are `answers` too, they count."""
    given: Any = row.get("example", {"answer": row.get("answer")})
    if not isinstance(given, dict):
        raise BadInput(f"{where}: example: expected an object, got {_kind(given)}")
    prefix = "example." if "example" in row else ""
    question = given.get("question", "")
    if not isinstance(question, str):
        raise BadInput(f"{where}: {prefix}question: expected text, got {_kind(question)}")
    key = "answers" if given.get("answers") is not None else "answer"
    answers = given.get(key) if isinstance(given.get(key), list) else [given.get(key)]
    if not answers or not all(type(answer) in (str, int, float) for answer in answers):
        raise BadInput(f"{where}: {prefix}{key}: expected text or a list of texts, got {_kind(given.get(key))}")
    extra = {name: value for name, value in given.items() if name not in ("id", "question", "answer", "answers")}
    return Example(row_id, question, tuple(map(str, answers)), extra)


def _verdict_id(line: bytes) -> Id | None:
    """The id of a verdict row; None if the line is something else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    expected = {"id", *(field.name for field in fields(Verdict))}
    return row["id"] if isinstance(row, dict) and row.keys() == expected else None


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    names = {bool: "true or false", str: "text", dict: "an object", int: "a number", float: "a number"}
    return names[type(value)]
