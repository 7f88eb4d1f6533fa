"""mark.json in a work directory says which results the directory is for. Directories without one are never deleted.

Two studies may share a run and thus its directory, so a mark may name a result of each.
"""

import os
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import read_json, write_json
from smoothgates.io.seal import intact, sealed

SCHEMA = "smoothgates.work"
MARK = "mark.json"


def add_mark(folder: Path, result: Path) -> None:
    """Add a result, given by the path of its manifest, to a directory's mark. Raises OSError."""
    known = marked_results(folder) or frozenset()
    if (whole := Path(os.path.normpath(result.absolute()))) not in known:
        # Relative to the directory, so that marks stay valid when a checkout is moved or copied.
        named = sorted(os.path.relpath(each, folder.resolve()) for each in {whole, *known})
        facts = {"schema": SCHEMA, "schema_version": 1, "folder": folder.name, "results": named}
        write_json(folder / MARK, sealed(facts), parents=False)


def marked_results(folder: Path) -> frozenset[Path] | None:
    """Absolute paths of the results that a directory is for; None without an intact mark made for this directory."""
    try:
        facts = read_json(folder / MARK, SCHEMA)
    except BadInput:
        return None
    if not intact(facts) or facts["folder"] != folder.name:
        return None
    return frozenset(Path(os.path.normpath(folder.resolve() / each)) for each in facts["results"])
