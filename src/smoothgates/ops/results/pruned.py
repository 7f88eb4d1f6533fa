"""pruned.json, beside a run record: the folders of the result that were left out on purpose."""

from collections.abc import Iterable
from pathlib import Path, PurePath

from smoothgates.errors import BadInput
from smoothgates.io.files import digest, read_json

PRUNED = "pruned.json"
SCHEMA = "smoothgates.pruned"
CHECKPOINTS = "checkpoints"
"""The folder of a run's checkpoints, with one folder for each."""


def pruned_note(record: Path, folders: Iterable[str], archived: bool = False) -> dict:
    """The content of pruned.json. `folders` are relative to the run record.

    It has the digest of the record, so that it no longer counts when the result has been made again. `archived`: they
    were left out of an archive, which may leave out any folder, also weights.
    """
    facts = {"schema": SCHEMA, "schema_version": 1, "record_sha256": digest(record), "folders": sorted(folders)}
    return {**facts, "archived": True} if archived else facts


def pruned_folders(record: Path, outputs: Iterable[str]) -> set[str]:
    """The folders, relative to the run record, that were left out.

    Raises BadInput if pruned.json cannot be read, or lists a folder that may not be left out: one that is no folder of
    the record's `outputs` or, unless `archived`, no checkpoint.
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
    """The folder of a result's file, relative to the run record. Empty if the file is beside or outside of it.

    >>> folder_in(Path("a/run.json"), "a/checkpoints/b/c.safetensors"), folder_in(Path("a/run.json"), "a/model.json")
    ('checkpoints/b', '')
    """
    folder = PurePath(path).parent
    return folder.relative_to(record.parent).as_posix().removeprefix(".") if record.parent in folder.parents else ""
