"""The results of a study belong to one YAML file. Another file of the same name is refused: it would share them."""

import os
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import read_json, write_json
from smoothgates.io.paths import Paths
from smoothgates.study.loader import LoadedStudy, load_study, read_study

SCHEMA = "smoothgates.study"


def own_study(name: str) -> LoadedStudy:
    """Load a study. Raises BadInput, which names both files, if the results of this name belong to another file."""
    study = load_study(name)
    refuse_other_owner(study.file, study.name)
    return study


def refuse_other_owner(file: Path, name: str) -> None:
    """Raise BadInput if the results of the study `name` belong to another file. Neither file need be valid."""
    for other in (marked(name), Path("config", f"{file.stem}.yaml")):
        if other and other.exists() and not same(file, other):
            raise BadInput(
                f"{file}: {Paths(name).results} belongs to {other}, a study of the same name: rename one of them"
            )


def mark(study: LoadedStudy) -> None:
    """Record the file that the results belong to, unless one that still exists is recorded."""
    known = marked(study.name)
    if known is None or not known.exists():
        file = Path(os.path.abspath(study.file))  # noqa: PTH100 (resolve() would follow links)
        inside = file.is_relative_to(Path.cwd())  # relative, as a checkout may move
        owner = file.relative_to(Path.cwd()) if inside else file
        write_json(Path(Paths(study.name).mark), {"schema": SCHEMA, "schema_version": 1, "file": str(owner)})


def marked(name: str) -> Path | None:
    """The file that the results of a study are recorded to belong to."""
    path = Path(Paths(name).mark)
    file = read_json(path, SCHEMA).get("file") if path.exists() else None
    return Path(file) if isinstance(file, str) else None


def same(file: Path, other: Path) -> bool:
    """Whether two files are one file, or contain the same study."""
    if file.samefile(other):
        return True
    try:
        one, two = read_study(file), read_study(other)
    except BadInput:
        return False
    return (one.config, one.methods) == (two.config, two.methods)
