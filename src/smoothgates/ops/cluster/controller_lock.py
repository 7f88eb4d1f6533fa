"""One controller for a study in a working directory."""

import json
import os
import platform
import time
from pathlib import Path

from smoothgates.errors import TryAgain
from smoothgates.io.files import lock
from smoothgates.train.run.lease import alive

FOLDER = Path(".snakemake/cluster")
SILENCE = 20.0
"""Seconds without a heartbeat after which a controller on another host is taken for dead. It beats every second."""


class ControllerLock:
    """Held as long as this process or its Snakemake lives: the lock is inherited, and no kill leaves it behind.

    Where locks do not reach other hosts, the heartbeat of a holder on another host is watched, by our clock alone.
    What the file says when nobody holds it is what a controller that was killed left there.
    """

    def __init__(self, study: str):
        """Raises TryAgain if another controller is alive, BadInput if the file system has no locks."""
        self.path = FOLDER / f"{study}.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        os.set_inheritable(self.descriptor, True)
        if not lock(self.descriptor, self.path):
            raise TryAgain(f"another controller of {study} is at work here{self._whose()}")
        self.left_behind = self._read()
        """What a controller that was killed said of itself; empty after an orderly end."""
        if self.left_behind.get("host", platform.node()) != platform.node() and self._beats():
            os.close(self.descriptor)
            raise TryAgain(f"another controller of {study} is at work on {self.left_behind['host']}")

    def say(self, **facts) -> None:
        """What whoever comes after a kill must know."""
        text = json.dumps({"host": platform.node(), "pid": os.getpid(), **facts})
        self._write(text)

    def beat(self) -> None:
        os.utime(self.path)

    def release(self) -> None:
        """After an orderly end."""
        self._write("")
        os.close(self.descriptor)

    def _write(self, text: str) -> None:
        # In place: a new file would not carry the lock. What is torn by a crash reads as nothing known.
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)
        os.fsync(self.descriptor)

    def _read(self) -> dict:
        try:
            return json.loads(os.pread(self.descriptor, 1 << 16, 0) or b"{}")
        except ValueError:
            return {}

    def _whose(self) -> str:
        facts = self._read()
        if not facts:
            return ""
        if facts["host"] == platform.node() and not alive(facts["pid"]):
            alone = facts["snakemake"]
            return f": its Snakemake goes on alone, process {alone}; `kill -INT {alone}` ends it and its jobs"
        return f" ({facts['host']}, process {facts['pid']})"

    def _beats(self) -> bool:
        first, end = self.path.stat().st_mtime_ns, time.monotonic() + SILENCE
        while time.monotonic() < end:
            time.sleep(1)
            if self.path.stat().st_mtime_ns != first:
                return True
        return False


def is_held(study: str) -> bool:
    """Whether a controller of this study is alive in this working directory. Raises BadInput if that cannot be told."""
    path = FOLDER / f"{study}.json"
    try:
        with open(path, "rb") as file:
            return not lock(file, path)
    except FileNotFoundError:
        return False
