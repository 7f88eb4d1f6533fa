"""A run's work directory: what lets it go on after any end, kept apart from its results until it has finished.

    work/3f2a…/lease.json        who works here
    work/3f2a…/mark.json         which results it is for
    work/3f2a…/attempts.jsonl    every attempt: when, where, from which update to which, how it ended
    work/3f2a…/checkpoints/      the last two states
    work/3f2a…/result/           policies that are part of the result
    work/3f2a…/failed.json       there if the run failed in a way that will repeat itself

Its name is the digest of all that the run's bits depend on: a changed one never goes on from foreign weights.
"""

import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import read_json, write_atomically, write_json
from smoothgates.train.run.lease import Lease
from smoothgates.train.run.mark import MARK, add_mark

FAILED = "smoothgates.failed"
MARKER = "failed.json"
CHECKPOINTS = "checkpoints"
FINISHED = "finished"
REPEATING = (
    BadInput,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Errors of the program or of what it was told. Those of the machine (disk, memory, device) are not among them."""


def fingerprint(spec: str, code: str, lock: str, inputs: Iterable[str]) -> str:
    """Name of the work directory, from the digests of spec, code, lock and inputs: data, start, index if any."""
    return hashlib.sha256(json.dumps([spec, code, lock, *inputs]).encode()).hexdigest()[:16]


class WorkDir:
    """A run's directory, while this process alone works there; a context manager."""

    def __init__(self, folder: Path, result: Path, wait: float, fresh: bool = False):
        """`result` is the manifest that the run is to write. Raises TryAgain if another process is at work there for
        `wait` seconds, BadInput if the run has failed before in a way that repeats itself. `fresh` deletes what earlier
        attempts left, that included.
        """
        self.folder, self.checkpoints, self.result = folder, folder / CHECKPOINTS, folder / "result"
        self.failed, self.ledger = folder / MARKER, folder / "attempts.jsonl"
        self.began = time.time()
        self.saved = self.first = 0
        """Updates that are in the last checkpoint, and that were at the attempt's start."""
        try:
            self.lease = Lease(folder, wait)
        except OSError as error:
            raise TryAgain(f"{folder}: {error.strerror}") from None
        try:
            if fresh:
                self.clear()
            add_mark(folder, result)
            if self.failed.exists():
                cause = read_json(self.failed, FAILED)["cause"]
                raise BadInput(f"{self.failed}: this run has failed before: {cause}; delete the file, or give --fresh")
            self.earlier = read_ledger(self.ledger)
        except BaseException as error:
            self.lease.release()
            if isinstance(error, OSError):
                raise TryAgain(f"{folder}: {error.strerror}") from None
            raise

    def __enter__(self) -> "WorkDir":
        return self

    def __exit__(self, _, error: BaseException | None, __) -> None:
        """Note how the attempt ended, if the run is not over, and let others work here."""
        if error:
            with suppress(TryAgain):
                self.note(self.saved, cause_of(error))
        self.lease.release()
        with suppress(OSError):  # not empty: it is needed again
            self.folder.rmdir()

    def starts_from(self, steps: int) -> None:
        """The attempt goes on after so many updates."""
        self.first = steps
        if self.earlier:
            self.earlier[-1]["to"] = steps  # it may have died before it could say so, or its checkpoint be damaged
        self.note(steps)

    def attempts(self, end: str, steps: int) -> list[dict]:
        """Every attempt, this one as if it ended now, so many updates being safe."""
        own = {
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)),
            "host": platform.node(),
            "pid": os.getpid(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "from": self.first,
            "to": steps,
            "seconds": round(time.time() - self.began, 3),
            "end": end,
        }
        return [*self.earlier, own]

    def note(self, steps: int, end: str = "killed") -> None:
        """Write the ledger, so many updates being safe. An attempt was killed unless it lives to say otherwise."""
        self.lease.check()
        self.saved = steps
        rows = "".join(json.dumps(each) + "\n" for each in self.attempts(end, steps))
        try:
            write_atomically(self.ledger, rows.encode(), parents=False)
        except OSError as error:
            self.lease.check()
            raise TryAgain(f"{self.ledger}: cannot be written ({error.strerror})") from None

    def folder_of(self, name: str) -> Path:
        """An empty folder for a policy of the result. Never brings back a work directory that is gone: whoever was
        suspended and overtaken must not leave one behind.
        """
        folder = self.result / name
        if folder.exists():  # a killed process may have left half of it
            shutil.rmtree(folder)
        for each in (self.result, folder.parent, folder):
            each.mkdir(exist_ok=True)
        return folder

    @property
    def finished(self) -> bool:
        """Whether the last attempt finished the run, and was then killed while it retired."""
        return bool(self.earlier) and self.earlier[-1]["end"] == FINISHED

    def retire(self, steps: int) -> None:
        """The run has finished: to ask for it again is to ask for it anew."""
        self.note(steps, FINISHED)
        self.clear()

    def clear(self) -> None:
        """Forget all attempts."""
        self.lease.check()
        empty_workdir(self.folder)


def empty_workdir(folder: Path) -> None:
    """Delete what is in a work directory, but for the lease, which the caller must hold. Whoever is killed on the way
    leaves a directory that still says how its run ended, and, to the last, what it is for.
    """
    rest = [path for path in folder.iterdir() if not path.name.startswith("lease.")]
    for path in sorted(rest, key=lambda path: (path.name == MARK, path.is_file())):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def marking_failures(folder: Path, work: WorkDir | None) -> Iterator[None]:
    """Leave the marker by which later attempts are refused, if an error will repeat itself.

    Any rank may do so, but only rank 0 has the directory's `work`, and can tell whether it is still theirs.
    """
    try:
        yield
    except REPEATING as error:
        if work:
            work.lease.check()
        marker = {"schema": FAILED, "schema_version": 1, "cause": cause_of(error)}
        with suppress(OSError):
            write_json(folder / MARKER, marker, parents=False)
        raise


def read_ledger(path: Path) -> list[dict]:
    """The attempts so far."""
    try:
        return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except ValueError:
        print(f"{path}: damaged; attempts are counted anew", file=sys.stderr, flush=True)
        return []


def cause_of(error: BaseException) -> str:
    """One line."""
    kind = "" if isinstance(error, BadInput | TryAgain) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())
