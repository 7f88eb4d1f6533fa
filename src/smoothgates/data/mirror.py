"""A mirror: a folder with files of public data sets, such as `task/name.jsonl`, to read instead of the hub."""

from collections.abc import Iterator
from pathlib import Path

from smoothgates.data.sources import Located, convert, one_line
from smoothgates.errors import BadInput
from smoothgates.io.documents import lines_of, parse_json, read_text
from smoothgates.io.files import digest, parquet_rows
from smoothgates.tasks.task import Example, Source

SUFFIXES = (".jsonl", ".parquet", ".json")
STAND_INS = Path("config/stand_ins")
"""A mirror of made-up rows, for rehearsals."""
MARK = "STAND_INS.md"
"""A file of this name marks a mirror of made-up rows."""
MOST_ARRAY = 1 << 28
"""Largest data set, in bytes, that may be one JSON array: it is read into memory. JSONL and parquet have no limit."""
SUMS = "SHA256SUMS"
"""Checksums of a mirror, in the format of `sha256sum`, with paths relative to the mirror."""


def mirror_file(name: str, mirror: Path) -> Path:
    """Return the file of the source `task/name`. Raises BadInput with the expected names if it is missing."""
    candidates = [mirror / f"{name}{suffix}" for suffix in SUFFIXES]
    for path in candidates:
        if path.is_file():
            return path
    raise BadInput(f"{candidates[0]}: no such file, nor one that ends in {', '.join(SUFFIXES[1:])}")


def load_mirrored(name: str, source: Source, mirror: Path) -> tuple[list[Example], dict]:
    """Return examples from a mirror's file, and facts. Raises BadInput if the file does not match its checksum."""
    path = mirror_file(name, mirror)
    relative = path.relative_to(mirror).as_posix()
    found = digest(path)
    if (sums := mirror / SUMS).exists():
        expected = read_sums(sums)
        if relative not in expected:
            raise BadInput(f"{sums}: does not list {relative}")
        if expected[relative] != found:
            raise BadInput(f"{path}: damaged: sha256 is {found}, {SUMS} says {expected[relative]}")
    examples, facts = convert(name, source, read_rows(path))
    origin = {"from": "stand-in rows", "made_up": True} if (mirror / MARK).exists() else {"from": "mirror"}
    return examples, {**origin, "file": relative, "file_sha256": found, **facts}


def read_sums(path: Path) -> dict[str, str]:
    """Return digests by path, from the output of `sha256sum`."""
    sums = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        found, _, name = line.partition(" ")
        if len(found) != 64 or not name:
            raise BadInput(f"{path}:{number}: expected a sha256 and a path")
        sums[name[1:].removeprefix("./")] = found.lower()
    return sums


def read_rows(path: Path) -> Iterator[Located]:
    """Yield the rows of a JSONL, JSON (one array) or parquet file. BadInput names the file and the line."""
    if path.suffix == ".parquet":
        import pyarrow as pa

        count = 0
        try:
            for count, row in enumerate(parquet_rows(path), start=1):
                yield f"{path}: row {count}", row
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{path}: cannot be read as parquet after row {count} ({one_line(error)})") from None
        return
    with open(path, "rb") as file:
        whole = path.suffix == ".json"
        lines = ((f"{path}:{number}", line) for number, line in lines_of(file, str(path)) if line.strip())
        for where, text in [(str(path), read_text(path, MOST_ARRAY))] if whole else lines:
            found = parse_json(text, where)
            for row in found if whole and isinstance(found, list) else [found]:
                if not isinstance(row, dict):
                    raise BadInput(f"{where}: expected an object, got {type(row).__name__}")
                yield where, row
