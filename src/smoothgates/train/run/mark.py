"""mark.json in a work directory: that it is ours, and which results it is for. Nothing without a mark is deleted.

A run's directory has a name that two studies may share, so a mark may name a result of each.
"""

import os
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import read_json, write_json
from smoothgates.io.seal import intact, sealed

SCHEMA = "smoothgates.work"
MARK = "mark.json"


def add_mark(folder: Path, result: Path) -> None:
    """Note that a directory is for this result too, a path of its manifest. Raises OSError."""
    known = marked_results(folder) or frozenset()
    if (whole := Path(os.path.normpath(result.absolute()))) not in known:
        # Relative to the directory: a checkout that is moved or copied takes its marks along.
        named = sorted(os.path.relpath(each, folder.resolve()) for each in {whole, *known})
        facts = {"schema": SCHEMA, "schema_version": 1, "folder": folder.name, "results": named}
        write_json(folder / MARK, sealed(facts), parents=False)


def marked_results(folder: Path) -> frozenset[Path] | None:
    """Absolute paths of the results that a directory is for; None if no intact mark says so of this very directory."""
    try:
        facts = read_json(folder / MARK, SCHEMA)
    except BadInput:
        return None
    if not intact(facts) or facts["folder"] != folder.name:
        return None
    return frozenset(Path(os.path.normpath(folder.resolve() / each)) for each in facts["results"])
