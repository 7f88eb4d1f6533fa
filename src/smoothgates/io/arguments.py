"""Paths on the command line, checked before any work begins: hours of it should not be lost to a folder as `--out`."""

import os
from collections.abc import Callable
from pathlib import Path

from smoothgates.errors import BadInput


def to_read(given: Path | list[Path] | None) -> Path | list[Path] | None:
    """Files that exist and can be read; BadInput otherwise."""
    return _each(given, _readable)


def to_read_once(given: Path) -> Path:
    """The same, or `-` for standard input."""
    return given if given == Path("-") else to_read(given)


def to_write(given: Path | list[Path] | None) -> Path | list[Path] | None:
    """Files that can be written, in folders that exist or can be made; BadInput otherwise."""
    return _each(given, _writable)


def to_fill(given: Path | None) -> Path | None:
    """A folder that can be written to or made; BadInput otherwise."""
    return _each(given, lambda path: _writable(path / "file"))


def _each(given: Path | list[Path] | None, check: Callable[[Path], None]) -> Path | list[Path] | None:
    for path in given if isinstance(given, list) else [given] if given else []:
        if "\0" in str(path):
            raise BadInput(f"{path}: its name contains a NUL")
        try:
            str(path).encode()  # manifests name it, and they are UTF-8
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
        raise BadInput("-: expected a file to write, standard output is none")
    if path.is_dir():
        raise BadInput(f"{path}: expected a file to write, not a folder")
    place = next(folder for folder in path.absolute().parents if folder.exists())
    if not place.is_dir():
        raise BadInput(f"{path}: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise BadInput(f"{path}: no permission to write in {place}")
