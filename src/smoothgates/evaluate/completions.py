"""Completions to judge: JSONL rows {id, completion, answer} or {id, completion, example}, from a file or a pipe.

`example` holds the fields of a task's example; either kind of row may say `truncated`. An id is text or a whole number.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from smoothgates.errors import BadInput
from smoothgates.io.documents import lines_of
from smoothgates.tasks.task import Answered, Example

Id = str | int


@contextmanager
def opened(source: Path) -> Iterator[BinaryIO]:
    """Open the rows so that they can be read more than once. A pipe is copied to a temporary file first."""
    piped = str(source) == "-"
    with ExitStack() as stack:
        try:
            rows = stack.enter_context(open(0 if piped else source, "rb", closefd=not piped))
            if not rows.seekable():
                pipe, rows = rows, stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(pipe, rows)
        except OSError as error:
            raise BadInput(f"{source}: cannot be read ({error.strerror})") from None
        yield rows


def digest(rows: BinaryIO) -> str:
    """Return the sha256 of all bytes."""
    rows.seek(0)
    return hashlib.file_digest(rows, "sha256").hexdigest()


def distinct_ids(rows: BinaryIO, source: Path) -> list[Id]:
    """Return the ids of all rows. Raises BadInput for a row that cannot be judged or repeats an id."""
    ids: dict[Id, None] = {}
    for i, (row_id, _) in enumerate(read_rows(rows, source), start=1):
        ids[row_id] = None
        if len(ids) < i:
            raise BadInput(f"{source}: id: row {i} repeats the id {row_id!r}; each row needs its own")
    return list(ids)


def read_rows(rows: BinaryIO, source: Path) -> Iterator[tuple[Id, Answered]]:
    """Yield each row's id and completion from the beginning, without blank lines. BadInput names line and key."""
    rows.seek(0)
    for number, line in lines_of(rows, str(source)):
        if not line.isspace():
            yield _parse_row(line, f"{source}: line {number}")


def _parse_row(line: bytes, where: str) -> tuple[Id, Answered]:
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
    return row_id, (completion, _parse_example(row, str(row_id), where), truncated)


def _parse_example(row: dict, row_id: str, where: str) -> Example:
    """Return the row's `example`, or one made from its `answer`. `answers` take precedence over `answer`."""
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


def _kind(value: Any) -> str:
    """Return the type of a JSON value in words."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    names = {bool: "true or false", str: "text", dict: "an object", int: "a number", float: "a number"}
    return names[type(value)]
