"""Which files say what a task's public data are."""

from collections.abc import Iterable
from pathlib import Path

from smoothgates.data.mirror import SUMS, mirror_file
from smoothgates.data.pinned import LOCK
from smoothgates.tasks import load_task


def public_files(task: str, sources: Iterable[str], mirror: Path | None) -> list[Path]:
    """The mirror's own, or the pins of the hub's: with other files these are other data. Generated ones have none."""
    names = sorted(load_task(task).sources.keys() & set(sources))
    if not names:
        return []
    if mirror is None:
        return [LOCK]
    sums = [mirror / SUMS] if (mirror / SUMS).exists() else []
    return [*sums, *(mirror_file(f"{task}/{name}", mirror) for name in names)]
