"""Files that belong together are put in place only when all of them are written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoothgates.io.files import temporary_folder


@contextmanager
def together(folder: Path) -> Iterator[Path]:
    """A temporary folder, whose files take their places below `folder` once all of them are written.

    Files in subfolders go first, so that a page comes after its figures. After an exception none goes.
    """
    with temporary_folder(folder / "page") as unfinished:
        yield unfinished
        files = [path for path in unfinished.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: -len(path.parts)):
            target = folder / path.relative_to(unfinished)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
