"""The files that determine a task's public data."""

from collections.abc import Iterable
from pathlib import Path

from smoothgates.data.mirror import SUMS, mirror_file
from smoothgates.data.pinned import LOCK
from smoothgates.tasks import load_task


def public_files(task: str, sources: Iterable[str], mirror: Path | None) -> list[Path]:
    """Return the files of a mirror, or the lock that pins those of the hub: a job reruns when they change.

    Sources that are generated have no such file.
    """
    names = sorted(load_task(task).sources.keys() & set(sources))
    if not names:
        return []
    if mirror is None:
        return [LOCK]
    sums = [mirror / SUMS] if (mirror / SUMS).exists() else []
    return [*sums, *(mirror_file(f"{task}/{name}", mirror) for name in names)]
