"""Puts files that belong together in place after all of them have been written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoothgates.io.files import temporary_folder


@contextmanager
def publishing(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; move its files to `folder` when the block ends.

    Files in subfolders come first, so that a page appears after its figures. If the block raises, nothing is moved.
    """
    with temporary_folder(folder / "page") as unfinished:
        yield unfinished
        files = [path for path in unfinished.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: -len(path.parts)):
            target = folder / path.relative_to(unfinished)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
