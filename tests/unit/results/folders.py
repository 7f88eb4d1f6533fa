"""Helpers of the tests of prune: folders of the made-up study, and work directories."""

import os
import time
from pathlib import Path

from smoothgates.ops.results.workdirs import QUIET
from smoothgates.train.run.mark import add_mark

RUN = Path("results/smoke/train/math/near/erf/seed0")
SECOND = RUN.with_name("seed1")


def age(*paths: Path, seconds: float = 2 * QUIET) -> None:
    """Set the modification times of these paths back by this many seconds."""
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2, follow_symlinks=False)


def work(name: str, *results: str | Path) -> Path:
    """Make a work directory for these results. Nothing in it has changed for a while."""
    folder = Path("work") / name
    file = folder / "checkpoints/model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(2_000_000))
    for result in results:
        add_mark(folder, Path(result))
    age(file, *folder.iterdir(), folder)
    return folder


def everything():
    return {path for path in Path().rglob("*") if path.is_file()}
