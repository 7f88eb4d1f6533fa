"""A full disk gives one line, exit code 75 and no incomplete file. With space again, the result is the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .rig import Run, attempt


class Elsewhere(Run):
    """A run with its work directories on another disk."""

    @property
    def work(self) -> Path:
        return self.folder / "disk/work"


def fill(folder: Path, leave: int) -> Path:
    """Write a file that leaves this many KiB free."""
    left = os.statvfs(folder)
    file = folder / "ballast"
    file.write_bytes(b"x" * max(0, left.f_bavail * left.f_frsize - 1024 * leave))
    return file


def half_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".unfinished"]


@pytest.mark.parametrize("leave", [0, 8, 60, 200, 330, 500])
def test_the_work_directory_is_full(leave, run, undisturbed, small_disk):
    disk = small_disk(4096)
    run.folder.joinpath("disk").symlink_to(disk)
    run = Elsewhere(run.inputs, run.folder, run.spec)
    ballast = fill(disk, leave)
    assert attempt(run) == 75, run.log
    assert "Traceback" not in run.log
    assert "No space left on device" in run.log.splitlines()[-1]
    assert run.log.splitlines()[-1].startswith("try again: ")
    assert not half_written(disk)
    assert not run.result()
    ballast.unlink()
    assert attempt(run) == 0, run.log
    assert run.result() == undisturbed[0]
    assert run.updates <= undisturbed[1] + 1
    assert not any(run.work.iterdir())


@pytest.mark.parametrize("leave", [0, 20, 70, 130])
@pytest.mark.parametrize("save_seconds", [0, 60])
def test_the_disk_of_results_is_full(leave, save_seconds, run, undisturbed, small_disk):
    disk = small_disk(2048)
    run.folder.joinpath("result").symlink_to(disk)
    ballast = fill(disk, leave)
    assert attempt(run, save_seconds=save_seconds) == 75, run.log
    assert "Traceback" not in run.log
    assert "the result cannot be written (No space left on device)" in run.log.splitlines()[-1]
    assert list(disk.iterdir()) == [ballast]
    ballast.unlink()
    assert attempt(run) == 0, run.log
    assert run.result() == undisturbed[0]
    assert run.updates == undisturbed[1], "all of them had been saved"
    assert not any(run.work.iterdir())


@pytest.mark.parametrize("leave", [0, 40, 400])
def test_other_stages_report_a_full_disk_in_one_line(leave, small_disk):
    disk = small_disk(1024)
    ballast = fill(disk, leave)
    part = {"source": "word_problems", "rows": 20_000}
    spec = {"task": "math", "train": [part], "benchmarks": {"heldout": part}, "seed": 0}
    command = [sys.executable, "-m", "smoothgates", "prepare", "--spec", json.dumps(spec)]
    done = subprocess.run([*command, "--out", disk / "data/manifest.json"], capture_output=True, text=True)
    assert done.returncode == 75
    assert done.stderr.splitlines()[-1] == "try again: No space left on device; nothing half-written is left"
    assert "Traceback" not in done.stderr
    assert not half_written(disk)
    assert not (disk / "data/manifest.json").exists()
    assert ballast.exists()
