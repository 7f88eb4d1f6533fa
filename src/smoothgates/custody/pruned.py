"""pruned.json: the folders of a result that were left out on purpose, noted beside its record."""

from collections.abc import Iterable
from pathlib import Path

from smoothgates.files import digest, read_json

PRUNED = "pruned.json"
SCHEMA = "smoothgates.pruned"


def pruned_note(record: Path, folders: Iterable[str]) -> dict:
    """Content of the note that these folders, named relative to the record, are gone.

    It names the record that it is about: a result that is made anew is whole, and an old note counts no more.
    """
    return {"schema": SCHEMA, "schema_version": 1, "record_sha256": digest(record), "folders": sorted(folders)}


def pruned_folders(record: Path) -> set[str]:
    """Folders, relative to the record, that a note says are gone. BadInput if the note cannot be read."""
    path = record.with_name(PRUNED)
    if not path.exists():
        return set()
    note = read_json(path, SCHEMA)
    return set(note["folders"]) if note["record_sha256"] == digest(record) else set()
