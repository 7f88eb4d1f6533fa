"""Removing files for good: each shown with its size first, nothing behind a link, nothing that git keeps."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.ops.results.inventory import files_below


class Left(Exception):
    """Why something is not removed after all; one line."""


@dataclass(frozen=True)
class Removal:
    """A file or folder that can go."""

    path: Path
    why: str
    size: int
    """Bytes."""
    act: Callable[[], None]
    """Removes it. Raises Left or OSError."""


def removal(path: Path, why: str, act: Callable[[], None] | None = None) -> Removal:
    """`act`: how, where it takes more than deleting it."""
    return Removal(path, why, sum(facts.st_size for facts in facts_on(contents(path))), act or (lambda: delete(path)))


def remove(found: Iterable[Removal], roots: list[Path]) -> int:
    """Remove for good, say what stays after all and why, and return how many bytes went.

    BadInput, before anything is gone, if something lies outside of `roots` or behind a link.
    """
    found, freed = list(found), 0
    for each in found:
        if not any(lies_in(each.path, root) for root in roots):
            raise BadInput(
                f"{each.path}: not removed, nor anything else: it is outside of this study, or behind a link"
            )
    for each in found:
        try:
            each.act()
            freed += each.size
        except Left as reason:
            print(f"     left  {each.path}: {reason}")
        except OSError as error:
            print(f"     left  {each.path}, or a part of it: {error.strerror}")
    return freed


def delete(path: Path) -> None:
    """Delete a file, a link or a folder; whatever of it is gone already is no fault."""
    if not is_folder(path):
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except FileNotFoundError:  # somebody else deletes there too
        if path.exists():
            delete(path)


def lies_in(path: Path, root: Path) -> bool:
    """Whether a path is below a folder with no link on the way. The folder may itself be a link, to a larger disk."""
    return root in path.parents and path.parent.resolve() == root.resolve() / path.parent.relative_to(root)


def quiet(path: Path, seconds: float) -> bool:
    """Whether nothing in it has changed for so long, by the clock of its disk: this host's own may be wrong, or jump.

    What is gone meanwhile is not quiet, nor what lies where nothing can be written.
    """
    changes = [facts.st_mtime for facts in facts_on([path, *contents(path)])]
    try:
        with tempfile.TemporaryFile(dir=path.parent) as new:
            now = os.fstat(new.fileno()).st_mtime
    except OSError:
        return False
    return bool(changes) and now - max(changes) > seconds


def contents(path: Path) -> list[Path]:
    """The files of a folder, or the one file or link that it is."""
    return list(files_below(path)) if is_folder(path) else [path]


def facts_on(paths: Iterable[Path]) -> list[os.stat_result]:
    """Of each that is still there."""
    found = []
    for path in paths:
        try:
            found.append(path.lstat())
        except OSError:
            continue
    return found


def is_folder(path: Path) -> bool:
    """Whether it is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()
