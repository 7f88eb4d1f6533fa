"""A mirror: a folder that holds public data sets as files, `task/name.jsonl` or the like, read instead of the hub."""

from collections.abc import Iterator
from pathlib import Path

from smoothgates.data.sources import Located, convert, one_line
from smoothgates.errors import BadInput
from smoothgates.io.documents import lines_of, parse_json, read_text
from smoothgates.io.files import digest, parquet_rows
from smoothgates.tasks.task import Example, Source

SUFFIXES = (".jsonl", ".parquet", ".json")
STAND_INS = Path("config/stand_ins")
"""A mirror of rows that were made up, for rehearsals."""
MARK = "STAND_INS.md"
"""File that marks a mirror whose rows are made up."""
MOST_ARRAY = 1 << 28
"""Bytes of a data set that is one JSON array, and so in memory at once; a larger one is to be JSONL or parquet."""
SUMS = "SHA256SUMS"
"""Of a mirror, as `sha256sum` writes it: paths relative to the mirror."""


def mirror_file(name: str, mirror: Path) -> Path:
    """The file of the source `task/name`; BadInput says what it may be called."""
    candidates = [mirror / f"{name}{suffix}" for suffix in SUFFIXES]
    for path in candidates:
        if path.is_file():
            return path
    raise BadInput(f"{candidates[0]}: no such file, nor any that ends in {', '.join(SUFFIXES[1:])}")


def load_mirrored(name: str, source: Source, mirror: Path) -> tuple[list[Example], dict]:
    """Examples from a mirror's file, verified against the mirror's checksums where it has them."""
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
    """Digest by path, from the output of `sha256sum`."""
    sums = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        found, _, name = line.partition(" ")
        if len(found) != 64 or not name:
            raise BadInput(f"{path}:{number}: expected a sha256 and a path")
        sums[name[1:].removeprefix("./")] = found.lower()
    return sums


def read_rows(path: Path) -> Iterator[Located]:
    """Rows of a JSONL, JSON (one array) or parquet file; BadInput names the file and the line."""
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
