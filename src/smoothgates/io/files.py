"""Files that are complete or absent, and their digests."""

import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from smoothgates.errors import BadInput
from smoothgates.io.documents import parse_json, read_text

TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)@(?P<host>.*)\.smoothgates")
"""Matches the names that `temporary` returns, and no others. If the process in such a name has ended, it was killed."""


def temporary(path: Path) -> Path:
    """The name beside a file or folder under which this process writes it until it is complete."""
    return path.with_name(f".{path.name}.{os.getpid()}@{platform.node()}.smoothgates")


def temporaries(path: Path) -> list[Path]:
    """The temporary files and folders that any process has left for this path."""
    return list(path.parent.glob(f".{glob.escape(path.name)}.*@*.smoothgates"))


@contextmanager
def flushed(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing, and flush its bytes to disk at the end of the block."""
    with open(path, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that replaces `path` only when the block has ended without an exception.

    It is written under a temporary name, flushed to disk and renamed: a reader sees the old file or the new one.
    """
    unfinished = temporary(path)
    try:
        with flushed(unfinished) as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A new folder under the temporary name of `path`, deleted at the end of the block unless it has been renamed."""
    unfinished = temporary(path)
    shutil.rmtree(unfinished, ignore_errors=True)  # of a killed process that had the same number
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that replaces `path` only when the block has ended without an exception."""
    with temporary_folder(path) as unfinished:
        yield unfinished
        shutil.rmtree(path, ignore_errors=True)
        unfinished.rename(path)


def write_atomically(path: Path, data: bytes, parents: bool = True) -> None:
    """Replace a file, see `replacing`. `parents`: also make its folder; without it, a missing folder is an OSError."""
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(data)


def lock(file: int | IO, path: Path, wait: bool = False) -> bool:
    """Lock an open file. If another process holds the lock, wait for it with `wait`, otherwise return False.

    The kernel releases the lock when the last process that has the file open ends. Raises BadInput if the file system
    does not support locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise BadInput(f"{path}: this file system has no locks ({error.strerror})") from None
    return True


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Let one process at a time rewrite a file. The lock is released at the end of the block, or with the process."""
    guard = path.with_name(f".{path.name}.guard")
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(guard, "ab") as file:
            lock(file, guard, wait=True)
            try:
                current = os.path.samestat(os.fstat(file.fileno()), guard.stat())
            except FileNotFoundError:
                current = False
            if current:  # the file that is locked has not been deleted by its last holder meanwhile
                try:
                    yield
                finally:
                    guard.unlink()
                return


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name: a hard link, which takes no space, or a flushed copy if it is on another disk."""
    try:
        os.link(source, target)
    except OSError:
        with open(source, "rb") as original, flushed(target) as copy:
            shutil.copyfileobj(original, copy, 1 << 20)


def write_json(path: Path, data: Any, parents: bool = True) -> None:
    """Replace a JSON file. Keys are sorted and the layout is fixed, so that equal content gives equal bytes."""
    text = json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, text.encode(), parents)


def read_json(path: Path, schema: str) -> dict:
    """Read a JSON file of this schema, version 1. Raises BadInput otherwise."""
    data = parse_json(read_text(path), str(path))
    found = data.get("schema") if isinstance(data, dict) else None
    if found != schema or data.get("schema_version") != 1:
        raise BadInput(f"{path}: schema: expected '{schema}' version 1, got '{found}'")
    return data


def write_parquet(path: Path, rows: list[dict]) -> None:
    """Write rows, at least one and all with the same keys, as parquet. Equal rows give equal bytes."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    table = pa.table({key: parquet_column([row[key] for row in rows]) for key in rows[0]})
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def parquet_column(values: list[Any]) -> Any:
    """The array that `pyarrow.array` makes of these values.

    That function imports pandas, a tenth of a laptop run's CPU time. So numbers, texts, and lists and dictionaries of
    them are converted without it.
    """
    from array import array
    from itertools import accumulate, chain

    import pyarrow as pa

    def plain(kind: Any, code: str, numbers: Iterable[float]) -> Any:
        found = array(code, numbers)
        return pa.Array.from_buffers(kind, len(found), [None, pa.py_buffer(found)])

    kinds = set(map(type, values))
    if kinds == {float}:
        return plain(pa.float64(), "d", values)
    if kinds == {int}:
        return plain(pa.int64(), "q", values)
    if str in kinds and kinds <= {str, type(None)}:
        builder = pa.lib.StringBuilder()
        builder.append_values(values)
        return builder.finish()
    if kinds == {dict} and values[0] and all(value.keys() == values[0].keys() for value in values):
        names = list(values[0])
        return pa.StructArray.from_arrays([parquet_column([value[name] for value in values]) for name in names], names)
    if kinds == {list} and any(values):
        ends = plain(pa.int32(), "i", accumulate(map(len, values), initial=0))
        return pa.ListArray.from_arrays(ends, parquet_column(list(chain.from_iterable(values))))
    return pa.array(values)


def parquet_rows(path: Path) -> Iterator[dict]:
    """Yield the rows of a parquet file, with at most 10,000 in memory. Raises pyarrow's errors."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(10_000):
        yield from batch.to_pylist()


def read_columns(path: Path) -> dict[str, list]:
    """All columns of a parquet file, as Python values. Raises BadInput.

    Rows as dictionaries take six times as long.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(use_threads=False)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as parquet ({error})") from None
    return {name: table[name].to_pylist() for name in table.column_names}


def digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_entry(path: Path, relative_to: Path) -> dict:
    """Name, size and sha256 of a file, as a manifest lists it."""
    return {"name": path.relative_to(relative_to).as_posix(), "size": path.stat().st_size, "sha256": digest(path)}


def check_file(entry: dict, folder: Path) -> Path:
    """The path of a file that a manifest lists, once its bytes are verified.

    Raises BadInput, with the file's name and both digests, if it is missing or damaged.
    """
    path = folder / entry["name"]
    if not path.is_file():
        raise BadInput(f"{path}: no such file, though its manifest lists it")
    found = digest(path)
    if found != entry["sha256"]:
        raise BadInput(f"{path}: damaged: sha256 is {found}, its manifest says {entry['sha256']}")
    return path


def flush(path: Path) -> None:
    """Flush a folder's names, or a file's bytes, to disk, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
