"""The lock that lets one controller at a time run a study in a working directory."""

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
"""Seconds without a heartbeat after which a controller on another host counts as dead. It beats every second."""


class ControllerLock:
    """A lock that is held while this process or its Snakemake, which inherits it, runs. A kill releases it.

    Where locks do not reach other hosts, a holder on another host is known by its heartbeat, timed with our own clock.
    If the lock is free, its file contains what a killed controller wrote there.
    """

    def __init__(self, study: str):
        """Raises TryAgain if another controller is alive, BadInput if the file system has no locks."""
        self.path = FOLDER / f"{study}.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        os.set_inheritable(self.descriptor, True)
        if not lock(self.descriptor, self.path):
            raise TryAgain(f"another controller of {study} is running{self._holder()}")
        self.left_behind = self._read()
        """What a killed controller wrote. Empty after an orderly end."""
        if self.left_behind.get("host", platform.node()) != platform.node() and self._beats():
            os.close(self.descriptor)
            raise TryAgain(f"another controller of {study} is running on {self.left_behind['host']}")

    def say(self, **facts) -> None:
        """Write the facts that the next controller needs if this one is killed."""
        text = json.dumps({"host": platform.node(), "pid": os.getpid(), **facts})
        self._write(text)

    def beat(self) -> None:
        """Show that this controller is alive."""
        os.utime(self.path)

    def release(self) -> None:
        """Release the lock after an orderly end."""
        self._write("")
        os.close(self.descriptor)

    def _write(self, text: str) -> None:
        # In place, as a new file would not have the lock. A torn write reads as an empty file.
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)
        os.fsync(self.descriptor)

    def _read(self) -> dict:
        try:
            return json.loads(os.pread(self.descriptor, 1 << 16, 0) or b"{}")
        except ValueError:
            return {}

    def _holder(self) -> str:
        facts = self._read()
        if not facts:
            return ""
        if facts["host"] == platform.node() and not alive(facts["pid"]):
            orphan = facts["snakemake"]
            return f": its Snakemake is still running, process {orphan}; `kill -INT {orphan}` ends it and its jobs"
        return f" ({facts['host']}, process {facts['pid']})"

    def _beats(self) -> bool:
        first, end = self.path.stat().st_mtime_ns, time.monotonic() + SILENCE
        while time.monotonic() < end:
            time.sleep(1)
            if self.path.stat().st_mtime_ns != first:
                return True
        return False


def is_held(study: str) -> bool:
    """Whether a controller of this study is running in this working directory. Raises BadInput without locks."""
    path = FOLDER / f"{study}.json"
    try:
        with open(path, "rb") as file:
            return not lock(file, path)
    except FileNotFoundError:
        return False
