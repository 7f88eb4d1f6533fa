"""pruned.json: the folders of a result that were left out on purpose, noted beside its record."""

from collections.abc import Iterable
from pathlib import Path, PurePath

from smoothgates.errors import BadInput
from smoothgates.io.files import digest, read_json

PRUNED = "pruned.json"
SCHEMA = "smoothgates.pruned"
CHECKPOINTS = "checkpoints"
"""Folder of the policies that a run kept on its way, a folder each."""


def pruned_note(record: Path, folders: Iterable[str], archived: bool = False) -> dict:
    """Content of the note that these folders, named relative to the record, are gone.

    It names the record that it is about: a result that is made anew is whole, and an old note counts no more.
    `archived`: an archive left them out, which may be any folder of a result, weights too.
    """
    facts = {"schema": SCHEMA, "schema_version": 1, "record_sha256": digest(record), "folders": sorted(folders)}
    return {**facts, "archived": True} if archived else facts


def pruned_folders(record: Path, outputs: Iterable[str]) -> set[str]:
    """Folders, relative to the record, that a note says are gone. BadInput if the note cannot be read, or lists what is
    never left out: anything but a folder of checkpoints among the record's `outputs`.
    """
    path = record.with_name(PRUNED)
    if not path.exists():
        return set()
    note = read_json(path, SCHEMA)
    if note.get("record_sha256") != digest(record):
        return set()
    may_go = {folder_in(record, output) for output in outputs} - {""}
    if not note.get("archived"):
        may_go = {folder for folder in may_go if PurePath(folder).parts[0] == CHECKPOINTS}
    folders = note.get("folders")
    for folder in folders if isinstance(folders, list) else ["no list"]:
        if folder not in list(may_go) or (record.parent / folder).is_symlink():
            raise BadInput(f"{path}: folders: {folder!r} may not be left out")
    return set(folders)


def folder_in(record: Path, path: str) -> str:
    """Folder of a result's file, relative to the result; empty for those beside its record, or not below it at all.

    >>> folder_in(Path("a/run.json"), "a/checkpoints/b/c.safetensors"), folder_in(Path("a/run.json"), "a/model.json")
    ('checkpoints/b', '')
    """
    folder = PurePath(path).parent
    return folder.relative_to(record.parent).as_posix().removeprefix(".") if record.parent in folder.parents else ""
