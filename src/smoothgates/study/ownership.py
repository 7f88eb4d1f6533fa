"""Results belong to one study's file. Another file with the same stem would share them, and nobody would notice."""

import os
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import read_json, write_json
from smoothgates.io.paths import Paths
from smoothgates.study.loader import LoadedStudy, load_study

SCHEMA = "smoothgates.study"


def own_study(name: str) -> LoadedStudy:
    """A study whose results are its own. BadInput names both files where they are another's."""
    study = load_study(name)
    refuse_other_owner(study.file, study.name)
    return study


def refuse_other_owner(file: Path, name: str) -> None:
    """BadInput if the results of the study `name` are those of another file than this, which need not be sound."""
    for other in (marked(name), Path("config", f"{file.stem}.yaml")):
        if other and other.exists() and not same(file, other):
            raise BadInput(f"{file}: {Paths(name).results} is of {other}, a study of the same name: rename one of them")


def mark(study: LoadedStudy) -> None:
    """Write down whose the results are, where no file that still exists is named yet."""
    owner = marked(study.name)
    if owner is None or not owner.exists():
        file = Path(os.path.abspath(study.file))  # noqa: PTH100 (a link to a file elsewhere is the study's own name)
        inside = file.is_relative_to(Path.cwd())  # a checkout may move
        named = file.relative_to(Path.cwd()) if inside else file
        write_json(Path(Paths(study.name).mark), {"schema": SCHEMA, "schema_version": 1, "file": str(named)})


def marked(name: str) -> Path | None:
    """The file that a study's results are marked with."""
    path = Path(Paths(name).mark)
    named = read_json(path, SCHEMA).get("file") if path.exists() else None
    return Path(named) if isinstance(named, str) else None


def same(file: Path, other: Path) -> bool:
    """Whether two files are one, or say the same."""
    if file.samefile(other):
        return True
    try:
        one, two = LoadedStudy(file), LoadedStudy(other)
    except BadInput:
        return False
    return (one.config, one.methods) == (two.config, two.methods)
