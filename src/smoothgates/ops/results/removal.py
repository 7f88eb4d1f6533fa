"""Delete files, never through a link. Each is listed with its size first."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.ops.results.inventory import files_below


class Left(Exception):
    """A file or folder was not deleted after all. The message gives the reason in one line."""


@dataclass(frozen=True)
class Removal:
    """A file or folder that can be deleted."""

    path: Path
    why: str
    size: int
    """Bytes."""
    act: Callable[[], None]
    """Deletes it. Raises Left or OSError."""


def removal(path: Path, why: str, act: Callable[[], None] | None = None) -> Removal:
    """The removal of a path. `act`: what to do instead of deleting it."""
    return Removal(path, why, sum(facts.st_size for facts in facts_on(contents(path))), act or (lambda: delete(path)))


def remove(found: Iterable[Removal], roots: list[Path]) -> int:
    """Delete what was found, print what is left and why, and return the number of bytes that were freed.

    Raises BadInput, before anything is deleted, if a path lies outside of `roots` or behind a link.
    """
    found, freed = list(found), 0
    for each in found:
        if not any(lies_in(each.path, root) for root in roots):
            raise BadInput(f"{each.path}: nothing is deleted: this path is outside of the study, or behind a link")
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
    """Delete a file, a link or a folder, if it is still there."""
    if not is_folder(path):
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except FileNotFoundError:  # another process deletes there too
        if path.exists():
            delete(path)


def lies_in(path: Path, root: Path) -> bool:
    """Whether a path is below a folder, with no link between them. The folder itself may be a link to another disk."""
    return root in path.parents and path.parent.resolve() == root.resolve() / path.parent.relative_to(root)


def quiet(path: Path, seconds: float) -> bool:
    """Whether nothing in a path has changed for this long, by the clock of its disk: that of this host may be wrong.

    False if the path is gone, or nothing can be written beside it.
    """
    changes = [facts.st_mtime for facts in facts_on([path, *contents(path)])]
    try:
        with tempfile.TemporaryFile(dir=path.parent) as new:
            now = os.fstat(new.fileno()).st_mtime
    except OSError:
        return False
    return bool(changes) and now - max(changes) > seconds


def contents(path: Path) -> list[Path]:
    """The files below a folder, or the file or link itself."""
    return list(files_below(path)) if is_folder(path) else [path]


def facts_on(paths: Iterable[Path]) -> list[os.stat_result]:
    """The status of each path that is still there."""
    found = []
    for path in paths:
        try:
            found.append(path.lstat())
        except OSError:
            continue
    return found


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, not a link to one."""
    return path.is_dir() and not path.is_symlink()
