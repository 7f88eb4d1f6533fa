"""score: verdicts on completions of any model, by the code that rewards training.

Verdicts are appended as they are made. Killed at any moment and run again, it continues after the last whole line,
and ends with the bytes of an uninterrupted run. `OUT.score.json` records what they are made from; a run with anything
else never continues them.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.documents import lines_of
from smoothgates.io.files import read_json, write_json
from smoothgates.io.progress import track
from smoothgates.provenance.code_closure import code_digest
from smoothgates.tasks import NAMES, judging_parts, load_rewards, load_task
from smoothgates.tasks.task import Answered, Example, Judge, Verdict

BATCH = 256
"""Completions judged between two writes."""
SCHEMA = "smoothgates.score"
INSTEAD = "choose another --out, or delete the file to start afresh"

Id = str | int


def run(task: str, reward: str, source: Path, out: Path) -> None:
    """Judge each row of `source`, in its order, by the `reward` of a task; write `{id, reward, components, extracted,
    reason}` for each to `out`.

    Rows are `{id, completion, answer}`, or `{id, completion, example}` with the fields of a task's example; either
    may say `truncated`. All are checked before the first is judged. `-` is standard input. Raises BadInput, and
    TryAgain while another process writes to `out`.
    """
    judge = find_judge(task, reward)
    with opened(source) as rows:
        ids, sha256 = distinct_ids(rows, source), digest(rows)
        facts = {
            "task": task,
            "reward": reward,
            "sha256": sha256,
            "code": code_digest("score", judging_parts(task)),
        }
        with alone_at(out, rows) as verdicts:
            with writing(out):
                claim(out, verdicts, facts)
            done = resume(out, verdicts, ids)
            rest = islice(read_rows(rows, source), done, None)
            for _ in track(range(done, len(ids), BATCH), f"score (batches of {BATCH})"):
                lines = b"".join(verdict_lines(judge, list(islice(rest, BATCH)), source))
                with writing(out):
                    verdicts.write(lines)
                    verdicts.flush()
        if digest(rows) != sha256:
            raise BadInput(f"{source}: changed while it was read: delete {out} and run again")
    print(f"{out}: {len(ids)} verdicts, {len(ids) - done} of them new")


@contextmanager
def opened(source: Path) -> Iterator[BinaryIO]:
    """The rows, open to be read more than once. A pipe, which cannot be, is copied to a temporary file first."""
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


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Errors of the file system become BadInput, except those of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BadInput(f"--out: {out}: cannot be written ({error.strerror})") from None


@contextmanager
def alone_at(out: Path, rows: BinaryIO) -> Iterator[BinaryIO]:
    """The file of verdicts, open for this process alone to read and append to. The lock ends with the process.

    Raises BadInput; TryAgain if another process has the lock, or if the file is deleted or replaced meanwhile.
    """
    with ExitStack() as stack:
        with writing(out):
            if out.exists() and os.path.samestat(out.stat(), os.fstat(rows.fileno())):
                raise BadInput(f"--out: {out} is the file to read; name another")
            if out.exists() and not out.is_file():
                raise BadInput(f"--out: {out} is not a regular file")
            out.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(open(out, "a+b"))
            try:
                # The lock of a process, not of an open file: judges that it forked do not keep it when it is killed.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise TryAgain(
                    f"{out}: another process is writing to it; wait for it, or choose another --out"
                ) from None
        yield file
        if not out.exists() or not os.path.samestat(out.stat(), os.fstat(file.fileno())):
            raise TryAgain(f"{out}: was deleted or replaced while it was being written")


def claim(out: Path, verdicts: BinaryIO, facts: dict[str, str]) -> None:
    """Note beside the verdicts what they are made from. BadInput if those that are there are made from something else,
    or nothing says from what. OSError if the note cannot be written.
    """
    note = out.with_name(f"{out.name}.score.json")
    begun = os.fstat(verdicts.fileno()).st_size > 0
    if not note.exists():
        if begun:
            raise BadInput(f"{out}: there is no {note.name} to say what its verdicts were made from; {INSTEAD}")
        found = {}
    else:
        try:
            found = read_json(note, SCHEMA)
        except BadInput as error:
            raise BadInput(f"{error}; choose another --out, or delete both to start afresh") from None
    differing = [key for key in facts if found.get(key) != facts[key]]
    if differing and begun:
        was = {
            "task": f"--task {found.get('task')}, not {facts['task']}",
            "reward": f"--reward {found.get('reward')}, not {facts['reward']}",
            "sha256": "other rows",
            "code": "another version of the judge",
        }
        raise BadInput(f"{out}: its verdicts were made with {was[differing[0]]}; {INSTEAD}")
    if differing:
        write_json(note, {"schema": SCHEMA, "schema_version": 1, **facts})


def find_judge(task: str, reward: str) -> Judge:
    if task not in NAMES:
        raise BadInput(f"--task: expected one of {', '.join(NAMES)}, got '{task}'")
    known = load_task(task)
    rewards = load_rewards(task)
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


def distinct_ids(rows: BinaryIO, source: Path) -> list[Id]:
    """The ids of all rows; BadInput if two are equal."""
    ids: dict[Id, None] = {}
    for i, (row_id, _) in enumerate(read_rows(rows, source), start=1):
        ids[row_id] = None
        if len(ids) < i:
            raise BadInput(f"{source}: id: row {i} repeats the id {row_id!r}; each row needs its own")
    return list(ids)


def resume(out: Path, verdicts: BinaryIO, ids: list[Id]) -> int:
    """How many rows have their verdict in `out`; a last line that was not written to its end is cut off."""
    done = whole = 0
    verdicts.seek(0)
    for line in verdicts:
        if not line.endswith(b"\n"):
            break
        if done == len(ids) or _verdict_id(line) != ids[done]:
            raise BadInput(f"{out}: line {done + 1}: not the verdict on row {done + 1} of the input; {INSTEAD}")
        done += 1
        whole += len(line)
    verdicts.truncate(whole)
    return done


def digest(rows: BinaryIO) -> str:
    """sha256 of all bytes of the input."""
    rows.seek(0)
    return hashlib.file_digest(rows, "sha256").hexdigest()


def read_rows(rows: BinaryIO, source: Path) -> Iterator[tuple[Id, Answered]]:
    """What to judge, by id, from the beginning; blank lines are passed over. BadInput names `source`, line and key."""
    rows.seek(0)
    for number, line in lines_of(rows, str(source)):
        if not line.isspace():
            yield parse_row(line, f"{source}: line {number}")


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
