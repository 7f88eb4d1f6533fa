"""Checks of the paths on the command line, before any work begins: no run should fail at its end because of `--out`."""

import os
from collections.abc import Callable
from pathlib import Path

from smoothgates.errors import BadInput


def to_read(given: Path | list[Path] | None) -> Path | list[Path] | None:
    """Check that these files can be read. Raises BadInput."""
    return _each(given, _readable)


def to_read_once(given: Path) -> Path:
    """Check that this file can be read; `-` is standard input. Raises BadInput."""
    return given if given == Path("-") else to_read(given)


def to_write(given: Path | list[Path] | None) -> Path | list[Path] | None:
    """Check that these files can be written. Missing folders may be made later. Raises BadInput."""
    return _each(given, _writable)


def to_fill(given: Path | None) -> Path | None:
    """Check that files can be written to this folder. It may be made later. Raises BadInput."""
    return _each(given, lambda path: _writable(path / "file"))


def _each(given: Path | list[Path] | None, check: Callable[[Path], None]) -> Path | list[Path] | None:
    for path in given if isinstance(given, list) else [given] if given else []:
        if "\0" in str(path):
            raise BadInput(f"{path}: its name contains a NUL")
        try:
            str(path).encode()  # manifests contain it, and they are UTF-8
            check(path)
        except UnicodeEncodeError:
            raise BadInput(f"{path}: its name is not UTF-8") from None
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror}") from None
    return given


def _readable(path: Path) -> None:
    if path.is_dir():
        raise BadInput(f"{path}: expected a file, not a folder")
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path}: no permission to read it")


def _writable(path: Path) -> None:
    if path == Path("-"):
        raise BadInput("-: expected a file to write, not standard output")
    if path.is_dir():
        raise BadInput(f"{path}: expected a file to write, not a folder")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise BadInput(f"{path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{path}: no permission to write in {folder}")
