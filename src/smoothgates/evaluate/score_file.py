"""A file of verdicts: JSONL rows {id, reward, components, extracted, reason}, one for each completion.

Verdicts are appended in batches. A run that was killed resumes after the last whole line and ends with the bytes of an
uninterrupted run. `OUT.score.json` records the inputs of the verdicts; a run with other inputs never resumes them.
"""

import errno
import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from smoothgates.errors import BadInput, TryAgain
from smoothgates.evaluate.completions import Id, digest, distinct_ids, opened, read_rows
from smoothgates.io.files import read_json, write_json
from smoothgates.io.progress import track
from smoothgates.tasks.task import Answered, Judge, Verdict

BATCH = 256
"""Completions judged between two writes."""
SCHEMA = "smoothgates.score"
INSTEAD = "choose another --out, or delete the file to start over"


def score_file(judge: Judge, made_by: dict[str, str], source: Path, out: Path) -> tuple[Counter[str], int]:
    """Judge the rows of `source`, in order, and write their verdicts to `out`. All rows are checked before the first is
    judged.

    Args:
        judge: returns a verdict for each completion of a batch.
        made_by: `task`, `reward` and `code` (a digest) that the judge stands for.

    Returns:
        how many verdicts in `out` have each reason, and how many are new.

    Raises BadInput for a row that cannot be judged or an `out` that holds something else; TryAgain while another
    process writes to `out`.
    """
    with opened(source) as rows:
        ids, sha256 = distinct_ids(rows, source), digest(rows)
        with _locked(out, rows) as verdicts:
            with _writing(out):
                _record_inputs(out, verdicts, {**made_by, "sha256": sha256})
            done = resume(out, verdicts, ids)
            rest = islice(read_rows(rows, source), done, None)
            for _ in track(range(done, len(ids), BATCH), f"score (batches of {BATCH})"):
                lines = b"".join(verdict_lines(judge, list(islice(rest, BATCH)), source))
                with _writing(out):
                    verdicts.write(lines)
                    verdicts.flush()
            verdicts.seek(0)
            reasons = Counter(str(json.loads(line)["reason"]) for line in verdicts)
        if digest(rows) != sha256:
            raise BadInput(f"{source}: changed while it was read: delete {out} and run again")
    return reasons, len(ids) - done


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn errors of the file system into BadInput, except those of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BadInput(f"--out: {out}: cannot be written ({error.strerror})") from None


@contextmanager
def _locked(out: Path, rows: BinaryIO) -> Iterator[BinaryIO]:
    """Open the file of verdicts to read and append, locked against other processes. The lock ends with the process.

    Raises BadInput if `out` cannot be such a file; TryAgain if another process holds the lock, or if the file is
    deleted or replaced before the block ends.
    """
    with ExitStack() as stack:
        with _writing(out):
            if out.exists() and os.path.samestat(out.stat(), os.fstat(rows.fileno())):
                raise BadInput(f"--out: {out} is the file to read; name another")
            if out.exists() and not out.is_file():
                raise BadInput(f"--out: {out} is not a regular file")
            out.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(open(out, "a+b"))
            try:
                # lockf locks for a process, not for an open file: forked judges do not keep the lock if it is killed.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise TryAgain(
                    f"{out}: another process is writing to it; wait for it, or choose another --out"
                ) from None
        yield file
        if not out.exists() or not os.path.samestat(out.stat(), os.fstat(file.fileno())):
            raise TryAgain(f"{out}: was deleted or replaced while it was being written")


def _record_inputs(out: Path, verdicts: BinaryIO, inputs: dict[str, str]) -> None:
    """Write the inputs of the verdicts beside them.

    Raises BadInput if existing verdicts have other inputs or no record of them; OSError if the record cannot be
    written.
    """
    record = out.with_name(f"{out.name}.score.json")
    begun = os.fstat(verdicts.fileno()).st_size > 0
    if not record.exists():
        if begun:
            raise BadInput(f"{out}: {record.name}, the record of its inputs, is missing; {INSTEAD}")
        found = {}
    else:
        try:
            found = read_json(record, SCHEMA)
        except BadInput as error:
            raise BadInput(f"{error}; choose another --out, or delete both to start over") from None
    differing = [key for key in inputs if found.get(key) != inputs[key]]
    if differing and begun:
        was = {
            "task": f"--task {found.get('task')}, not {inputs['task']}",
            "reward": f"--reward {found.get('reward')}, not {inputs['reward']}",
            "sha256": "other rows",
            "code": "another version of the judge",
        }
        raise BadInput(f"{out}: its verdicts were made with {was[differing[0]]}; {INSTEAD}")
    if differing:
        write_json(record, {"schema": SCHEMA, "schema_version": 1, **inputs})


def resume(out: Path, verdicts: BinaryIO, ids: list[Id]) -> int:
    """Return the number of rows that have a verdict. An incomplete last line is cut off."""
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


def verdict_lines(judge: Judge, batch: list[tuple[Id, Answered]], source: Path) -> Iterator[bytes]:
    """Yield one JSON object a line, in ASCII: a completion may hold lone surrogates, which UTF-8 cannot encode."""
    try:
        verdicts = judge([answered for _, answered in batch])
    except BadInput as error:
        raise BadInput(f"{source}: {error}") from None
    for (row_id, _), verdict in zip(batch, verdicts, strict=True):
        yield json.dumps({"id": row_id, **asdict(verdict)}).encode() + b"\n"


def _verdict_id(line: bytes) -> Id | None:
    """Return the id of a verdict; None if the line is something else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    expected = {"id", *(field.name for field in fields(Verdict))}
    return row["id"] if isinstance(row, dict) and row.keys() == expected else None
