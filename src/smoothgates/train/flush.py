"""What `files` leaves to do for a file to survive a power cut: its name must be on disk, too."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Bring to disk a folder's names, or a file's bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
