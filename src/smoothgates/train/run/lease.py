"""A lease gives one process the sole right to write in a directory. It consists of files, so that it also works on
network file systems.

`lease.json` names the holder. Two rules ensure that there is only one:

1. A process takes a lease by linking a complete file to `lease.json`, which fails if that exists.
2. A lease with the token T is replaced or released only through its successor, `lease.T.json`. Only one process can
   link that name: either one that takes over, or the holder that releases. The successor is itself a lease, and is then
   moved onto `lease.json`. If its owner dies before the move, any process may make it; the lease then soon goes stale.

The holder rewrites the heartbeat inside the file that it has open, and never creates that file again: a holder that was
suspended and overtaken writes to a file that has no name any more. Clocks of different hosts are never compared: a
lease is stale if a waiting process has not seen it change for a while.
"""

import json
import os
import platform
import re
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from smoothgates.errors import TryAgain

INTERVAL = 10.0
"""Seconds between heartbeats."""
PATIENCE = 4
"""Number of intervals without a change after which a holder counts as dead."""
SIZE = 600
"""Bytes of a lease file; enough for the longest host name."""


class Lease:
    """The sole right to write in a directory, until `release`; also a context manager."""

    def __init__(self, folder: Path, wait: float, interval: float = INTERVAL):
        """Take the lease, creating the directory if needed.

        `waited` is true afterwards if another process held the lease first. Raises TryAgain naming the holder if a live
        one keeps the lease for `wait` seconds.
        """
        self.path, self.interval, self.waited = folder / "lease.json", interval, False
        self.watched: dict[Path, tuple[dict | None, float]] = {}
        """The content last read at each path, and the time since which it has not changed."""
        self.entry = self._acquire(wait)
        self._sweep()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)
        self.thread.start()

    def check(self) -> None:
        """Raises TryAgain if this process no longer holds the lease. To be called before anything is written."""
        found = read_lease(self.path)
        if found is None or found["token"] != self.entry.token:
            now = f"{holder_name(found)} has taken it" if found else "it is missing"
            raise TryAgain(f"{self.path}: lease lost while this process was suspended: {now}; writing stops")

    def release(self) -> None:
        """Release the lease if this process still holds it."""
        self.ended.set()
        self.thread.join()
        successor = self._successor(self.entry.token)
        with suppress(OSError):  # the directory may be gone
            if last := Entry.link(successor):
                last.close()
                found = read_lease(self.path)
                if found and found["token"] == self.entry.token:
                    self.path.unlink()
                successor.unlink()
        self.entry.close()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_) -> None:
        self.release()

    def _acquire(self, wait: float) -> "Entry":
        began = time.monotonic()
        while True:
            with suppress(FileExistsError):  # raised if another process deletes the directory during mkdir
                self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists() and (entry := Entry.link(self.path)):
                return entry
            if dead := self._dead(self.path):
                if entry := self._replace(dead):
                    print(f"{self.path}: taken over from {holder_name(dead)} (dead)", file=sys.stderr, flush=True)
                    return entry
            elif self.path.exists():
                holder = holder_name(read_lease(self.path))
                if time.monotonic() - began >= wait:
                    raise TryAgain(f"{self.path}: held by {holder}; waited {wait:g} s")
                if not self.waited:
                    print(f"{self.path}: waiting for {holder}", file=sys.stderr, flush=True)
                self.waited = True
            time.sleep(min(0.5, self.interval / 10))

    def _replace(self, holder: dict) -> "Entry | None":
        """Replace a dead holder's lease by one of this process; None if another process does so first."""
        successor = self._successor(holder["token"])
        if entry := Entry.link(successor):
            if (read_lease(self.path) or {}).get("token") == holder["token"]:
                with suppress(FileNotFoundError):  # another process has moved it already
                    successor.replace(self.path)
                if (read_lease(self.path) or {}).get("token") == entry.token:
                    return entry
            successor.unlink(missing_ok=True)
            entry.close()
        elif self._dead(successor) and read_lease(self.path) == holder:
            with suppress(FileNotFoundError):
                successor.replace(self.path)
        return None

    def _dead(self, path: Path) -> dict | None:
        """The lease in this file if its process is dead: it has ended on this host, or its heartbeat has stopped."""
        found, now = read_lease(path), time.monotonic()
        before, since = self.watched.get(path, (None, now))
        self.watched[path] = (found, since if found == before else now)
        if found and (ended_here(found) or (found == before and now - since > PATIENCE * self.interval)):
            return found
        return None

    def _sweep(self) -> None:
        """Delete the files of processes that were killed while they took or released a lease."""
        for path in self.path.parent.glob("lease.*.*"):
            if path != self._successor(self.entry.token):
                path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self.ended.wait(self.interval):
            with suppress(OSError):  # a missed heartbeat does no harm; `check` notices if the lease is lost
                self.entry.beat()

    def _successor(self, token: str) -> Path:
        return self.path.with_name(f"lease.{token}.json")


class Entry:
    """A lease file, kept open by the process that wrote it."""

    def __init__(self, file: int):
        self.file, self.token = file, uuid.uuid4().hex
        self.beat()

    @classmethod
    def link(cls, path: Path) -> "Entry | None":
        """Create a lease file at `path`, complete from the start; None if there is one already."""
        new = path.with_name(f"lease.{uuid.uuid4().hex}.new")
        with suppress(FileNotFoundError):  # the last holder has deleted the directory
            entry = cls(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))
            try:
                os.link(new, path)
                return entry
            except FileExistsError:
                if os.fstat(entry.file).st_nlink > 1:  # on NFS, the reply to a successful link may be lost
                    return entry
            finally:
                new.unlink(missing_ok=True)
            entry.close()
        return None

    def beat(self) -> None:
        """Write the current time. The length of the file is constant, so that a reader never sees part of it."""
        facts = {
            "token": self.token,
            "host": platform.node(),
            "pid": os.getpid(),
            "space": pid_space(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "heartbeat": round(time.time(), 3),
        }
        os.pwrite(self.file, json.dumps(facts).ljust(SIZE).encode(), 0)
        os.fsync(self.file)

    def close(self) -> None:
        os.close(self.file)


def read_lease(path: Path) -> dict | None:
    """The content of a lease file; None if there is no valid one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not found.keys() >= {"token", "host", "pid", "space", "job"}:
        return None
    # A token becomes part of a path and a process id is signalled: accept both only as this module writes them.
    return found if re.fullmatch("[0-9a-f]{32}", str(found["token"])) and type(found["pid"]) is int else None


def is_here(lease: dict) -> bool:
    """Whether a lease's process runs, or ran, on this host."""
    return (lease["host"], lease["space"]) == (platform.node(), pid_space())


def ended_here(lease: dict) -> bool:
    """Whether a lease's process ran on this host and has ended."""
    return is_here(lease) and not alive(lease["pid"])


def alive(pid: int) -> bool:
    """Whether a process with this id exists on this host."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def pid_space() -> str:
    """The namespace of this host's process ids: each container of a host may have a different one."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def holder_name(lease: dict | None) -> str:
    """The holder of a lease, for messages."""
    if lease is None:
        return "an unknown process"
    job = f", job {lease['job']}" if lease["job"] else ""
    return f"process {lease['pid']} on {lease['host']}{job}"
