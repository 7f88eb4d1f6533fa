"""Files that are whole or absent, and their digests."""

import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from smoothgates.errors import BadInput
from smoothgates.io.documents import parse_json, read_text

TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)@(?P<host>.*)\.smoothgates")
"""Names that `temporary` gives, and nothing else: what has one and no living process was left by a kill."""


def temporary(path: Path) -> Path:
    """A temporary name beside a file or folder, for this process to write it under until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}@{platform.node()}.smoothgates")


def temporaries(path: Path) -> list[Path]:
    """What any process has left under such a name for this path."""
    return list(path.parent.glob(f".{glob.escape(path.name)}.*@*.smoothgates"))


def write_atomically(path: Path, data: bytes, parents: bool = True) -> None:
    """Write to a temporary name beside it, flush to disk, rename: a reader sees the old file or the new one.

    `parents`: make its folder where there is none. Otherwise that is an OSError.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = temporary(path)
    try:
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def lock(file: int | IO, path: Path, wait: bool = False) -> bool:
    """Lock an open file of this path; False if another process holds the lock, unless it is to `wait`.

    The kernel ends the lock with the last process that has the file open. Raises BadInput if the file system has no
    locks.
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
    """Hold the sole right to rewrite a file, among all processes that ask for it; it ends with the process."""
    guard = path.with_name(f".{path.name}.guard")
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(guard, "ab") as file:
            lock(file, guard, wait=True)
            try:
                current = os.path.samestat(os.fstat(file.fileno()), guard.stat())
            except FileNotFoundError:
                current = False
            if current:  # not a guard that its last holder has just deleted
                try:
                    yield
                finally:
                    guard.unlink()
                return


def place(source: Path, target: Path) -> None:
    """The same file under another name: a link, which takes no room, or a copy on another disk, flushed."""
    try:
        os.link(source, target)
    except OSError:
        with open(source, "rb") as whole, open(target, "wb") as copy:
            shutil.copyfileobj(whole, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())


def write_json(path: Path, data: Any, parents: bool = True) -> None:
    """Sorted keys and fixed layout: equal content gives equal bytes."""
    text = json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, text.encode(), parents)


def read_json(path: Path, schema: str) -> dict:
    """Content of a JSON file that names this schema, version 1. Raises BadInput otherwise."""
    data = parse_json(read_text(path), str(path))
    found = data.get("schema") if isinstance(data, dict) else None
    if found != schema or data.get("schema_version") != 1:
        raise BadInput(f"{path}: schema: expected '{schema}' version 1, got '{found}'")
    return data


def write_parquet(path: Path, rows: list[dict]) -> None:
    """Rows, at least one, with the same keys, as a parquet file whose bytes depend on nothing but them."""
    import io
    from array import array

    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(key: str) -> pa.Array:
        values = [row[key] for row in rows]
        if all(type(value) is float for value in values):
            # pa.array would import pandas, a tenth of a laptop run's CPU time; most columns are plain floats.
            return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(array("d", values))])
        return pa.array(values)

    buffer = io.BytesIO()
    pq.write_table(pa.table({key: column(key) for key in rows[0]}), buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def parquet_rows(path: Path) -> Iterator[dict]:
    """Rows of a parquet file, some thousands in memory at once. Raises what pyarrow raises."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(10_000):
        yield from batch.to_pylist()


def read_parquet(path: Path) -> list[dict]:
    """All rows of a parquet file."""
    try:
        return list(parquet_rows(path))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as parquet ({error})") from None


def digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_record(path: Path, relative_to: Path) -> dict:
    """Name, size and digest of a file, as manifests list it."""
    return {"name": path.relative_to(relative_to).as_posix(), "size": path.stat().st_size, "sha256": digest(path)}


def check_file(record: dict, folder: Path) -> Path:
    """The file that a manifest's record names, verified; BadInput gives its name and both digests."""
    path = folder / record["name"]
    if not path.is_file():
        raise BadInput(f"{path}: no such file, though its manifest lists it")
    found = digest(path)
    if found != record["sha256"]:
        raise BadInput(f"{path}: damaged: sha256 is {found}, its manifest says {record['sha256']}")
    return path


def flush(path: Path) -> None:
    """Bring to disk a folder's names, or a file's bytes, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
