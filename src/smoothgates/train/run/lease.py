"""One process a directory: a lease made of files alone, so that it holds on network file systems too.

`lease.json` says who holds the directory. Two rules keep it single:

1. A lease comes to be by linking a finished file to its name, which fails where there is one already.
2. A lease with the token T goes only through its claim, `lease.T.json`, which one process alone can link there: whoever
   wants to take over, and also the holder that wants to release. The claim is the next lease, and moves onto
   `lease.json`. If its owner dies before that, anyone may move it: it is a lease like others then, and soon stale.

The holder rewrites the heartbeat inside the file that it has open and never puts a file in place again: one that was
suspended and overtaken writes to a file without a name. Ages are not told by comparing clocks of different hosts: a
lease is stale if it has not changed for a while before the eyes of the one who waits.
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
"""Intervals without a change after which a holder counts as dead."""
SIZE = 600
"""Bytes of a lease file: room for the longest host name."""


class Lease:
    """The sole right to write in a directory, until `release`; also a context manager."""

    def __init__(self, folder: Path, wait: float, interval: float = INTERVAL):
        """Take it, making the directory. Raises TryAgain, naming the holder, if a live one keeps it for `wait` seconds.

        `waited` tells afterwards whether somebody else had it meanwhile.
        """
        self.path, self.interval, self.waited = folder / "lease.json", interval, False
        self.watched: dict[Path, tuple[dict | None, float]] = {}
        """What was read at each path, and since when it has been the same."""
        self.entry = self._acquire(wait)
        self._sweep()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)
        self.thread.start()

    def check(self) -> None:
        """Raises TryAgain if the lease is no longer ours. To be called before anything is written."""
        found = read_lease(self.path)
        if found is None or found["token"] != self.entry.token:
            whose = f"now {holder_name(found)} is at work here" if found else "it is gone"
            raise TryAgain(f"{self.path}: lost while this process was held up: {whose}; nothing more is written")

    def release(self) -> None:
        """Give it back, if it is still ours."""
        self.ended.set()
        self.thread.join()
        claim = self._claim(self.entry.token)
        with suppress(OSError):  # the directory may be gone
            if last := Entry.link(claim):
                last.close()
                found = read_lease(self.path)
                if found and found["token"] == self.entry.token:
                    self.path.unlink()
                claim.unlink()
        self.entry.close()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_) -> None:
        self.release()

    def _acquire(self, wait: float) -> "Entry":
        began = time.monotonic()
        while True:
            with suppress(FileExistsError):  # it was there, and has gone before mkdir looked what it is
                self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists() and (entry := Entry.link(self.path)):
                return entry
            if dead := self._dead(self.path):
                if entry := self._replace(dead):
                    print(
                        f"{self.path}: taken over from {holder_name(dead)}, which is dead", file=sys.stderr, flush=True
                    )
                    return entry
            elif self.path.exists():
                holder = holder_name(read_lease(self.path))
                if time.monotonic() - began >= wait:
                    raise TryAgain(f"{self.path}: {holder} is at work here; waited {wait:g} s for it")
                if not self.waited:
                    print(f"{self.path}: waiting for {holder}", file=sys.stderr, flush=True)
                self.waited = True
            time.sleep(min(0.5, self.interval / 10))

    def _replace(self, holder: dict) -> "Entry | None":
        """A lease of ours in the place of a dead one, unless another process has that or does that."""
        claim = self._claim(holder["token"])
        if entry := Entry.link(claim):
            if (read_lease(self.path) or {}).get("token") == holder["token"]:
                with suppress(FileNotFoundError):  # another has moved it for us
                    claim.replace(self.path)
                if (read_lease(self.path) or {}).get("token") == entry.token:
                    return entry
            claim.unlink(missing_ok=True)
            entry.close()
        elif self._dead(claim) and read_lease(self.path) == holder:
            with suppress(FileNotFoundError):
                claim.replace(self.path)
        return None

    def _dead(self, path: Path) -> dict | None:
        """The lease in this file if its process is dead: as this host knows, or as its heartbeat tells."""
        found, now = read_lease(path), time.monotonic()
        before, since = self.watched.get(path, (None, now))
        self.watched[path] = (found, since if found == before else now)
        if found and (ended_here(found) or (found == before and now - since > PATIENCE * self.interval)):
            return found
        return None

    def _sweep(self) -> None:
        """Delete what processes left that were killed on the way to a lease."""
        for path in self.path.parent.glob("lease.*.*"):
            if path != self._claim(self.entry.token):
                path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self.ended.wait(self.interval):
            with suppress(OSError):  # one that is missed does no harm; `check` tells if all is lost
                self.entry.beat()

    def _claim(self, token: str) -> Path:
        return self.path.with_name(f"lease.{token}.json")


class Entry:
    """A lease file, kept open by the process that wrote it."""

    def __init__(self, file: int):
        self.file, self.token = file, uuid.uuid4().hex
        self.beat()

    @classmethod
    def link(cls, path: Path) -> "Entry | None":
        """A new one at `path`, complete from its first moment; None if there is one already."""
        new = path.with_name(f"lease.{uuid.uuid4().hex}.new")
        with suppress(FileNotFoundError):  # the directory went with its last holder
            entry = cls(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))
            try:
                os.link(new, path)
                return entry
            except FileExistsError:
                if os.fstat(entry.file).st_nlink > 1:  # on NFS, the answer to a success may get lost
                    return entry
            finally:
                new.unlink(missing_ok=True)
            entry.close()
        return None

    def beat(self) -> None:
        """Write the time. The length stays the same, so that the file is whole at every moment."""
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
    """What a lease file says; None if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not found.keys() >= {"token", "host", "pid", "space", "job"}:
        return None
    # A token becomes part of a path, and a number is asked for: both as this module writes them.
    return found if re.fullmatch("[0-9a-f]{32}", str(found["token"])) and type(found["pid"]) is int else None


def is_here(lease: dict) -> bool:
    """Whether a lease's process is, or was, one of this host."""
    return (lease["host"], lease["space"]) == (platform.node(), pid_space())


def ended_here(lease: dict) -> bool:
    """Whether a lease's process ran on this host and is no more."""
    return is_here(lease) and not alive(lease["pid"])


def alive(pid: int) -> bool:
    """Whether there is a process of this id here."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def pid_space() -> str:
    """Which processes this one's ids are about: containers of one host may each have their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def holder_name(lease: dict | None) -> str:
    """Its holder, for people."""
    if lease is None:
        return "a process that cannot be told"
    job = f", job {lease['job']}" if lease["job"] else ""
    return f"process {lease['pid']} on {lease['host']}{job}"
