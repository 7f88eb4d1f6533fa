"""Files that belong together: all of them are new, or all are old."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def together(folder: Path) -> Iterator[Path]:
    """A temporary folder, whose files take their places below `folder` once all of them are written.

    Those in its own folders go first, so that a page comes after the figures beside it. After an exception none goes.
    """
    temporary = folder / f".new.{os.getpid()}"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        files = [path for path in temporary.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: -len(path.parts)):
            target = folder / path.relative_to(temporary)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
    finally:
        shutil.rmtree(temporary)
