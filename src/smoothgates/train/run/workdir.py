"""A run's work directory: what the run needs to resume, kept apart from its results until it has finished.

    work/3f2a…/lease.json        which process works here
    work/3f2a…/mark.json         which results the directory is for
    work/3f2a…/attempts.jsonl    every attempt: when, where, from which update to which, how it ended
    work/3f2a…/checkpoints/      the last two states
    work/3f2a…/result/           policies that are part of the result
    work/3f2a…/failed.json       exists if the run failed in a way that a retry repeats

The name of the directory is a digest of everything that determines the run's result, so a changed run never resumes
from the weights of another.
"""

import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import read_json, write_atomically, write_json
from smoothgates.train.run.lease import Lease
from smoothgates.train.run.mark import MARK, add_mark

FAILURE_SCHEMA = "smoothgates.failed"
FAILURE = "failed.json"
CHECKPOINTS = "checkpoints"
RESULT = "result"
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
"""Errors of the program or of its input, which a retry repeats. Errors of the machine (disk, memory, device) are not
among them."""


def fingerprint(spec: str, code: str, lock: str, *, data: str, policy: str, index: str | None = None) -> str:
    """Name of a run's work directory, from the sha256 of each thing that the run's bits depend on.

    `data`, `policy` and `index` are the digests of the inputs of those names in the rule `train`.
    """
    made_from = [spec, code, lock, data, policy, *([index] if index else [])]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]


class WorkDir:
    """A run's work directory, held by this process alone; a context manager."""

    def __init__(self, folder: Path, result: Path, wait: float, fresh: bool = False):
        """Take the lease of a directory, creating it if needed.

        Args:
            result: the manifest that the run will write.
            wait: seconds to wait for another process to release the lease.
            fresh: delete what earlier attempts left, a recorded failure included.

        Raises TryAgain if another process still holds the lease, BadInput if the run has failed before in a way that
        a retry repeats.
        """
        self.folder, self.result = folder, folder / RESULT
        self.failure, self.ledger = folder / FAILURE, folder / "attempts.jsonl"
        self.began = time.time()
        self.saved = self.first = 0
        """Updates in the last checkpoint, and updates at the start of this attempt."""
        try:
            self.lease = Lease(folder, wait)
        except OSError as error:
            raise TryAgain(f"{folder}: {error.strerror}") from None
        try:
            if fresh:
                self.clear()
            add_mark(folder, result)
            if self.failure.exists():
                cause = read_json(self.failure, FAILURE_SCHEMA)["cause"]
                raise BadInput(f"{self.failure}: this run has failed before: {cause}; delete the file, or give --fresh")
            self.earlier = read_ledger(self.ledger)
        except BaseException as error:
            self.lease.release()
            if isinstance(error, OSError):
                raise TryAgain(f"{folder}: {error.strerror}") from None
            raise

    def __enter__(self) -> "WorkDir":
        return self

    def __exit__(self, _, error: BaseException | None, __) -> None:
        """Record how the attempt ended, unless the run has finished, and release the lease."""
        if error:
            with suppress(TryAgain):
                self.note(self.saved, cause_of(error))
        self.lease.release()
        with suppress(OSError):  # it is not empty, and a later attempt needs it
            self.folder.rmdir()

    def starts_from(self, steps: int) -> None:
        """Record the number of updates from which this attempt starts."""
        self.first = steps
        if self.earlier:
            self.earlier[-1]["to"] = steps  # its own record may be missing, or its checkpoint damaged
        self.note(steps)

    def attempts(self, end: str, steps: int) -> list[dict]:
        """Records of all attempts; of this one, as if it ended now with `steps` updates saved."""
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
        """Write all attempts to the ledger, this one with `steps` updates saved.

        While an attempt is under way it is recorded as killed, because a killed process cannot record its own end.
        """
        self.lease.check()
        self.saved = steps
        rows = "".join(json.dumps(each) + "\n" for each in self.attempts(end, steps))
        try:
            write_atomically(self.ledger, rows.encode(), parents=False)
        except OSError as error:
            self.lease.check()
            raise TryAgain(f"{self.ledger}: cannot be written ({error.strerror})") from None

    def empty_folder(self, name: str) -> Path:
        """Make an empty folder for a policy of the result.

        Raises OSError if the work directory is gone: a process that was suspended and overtaken must not create it
        again.
        """
        folder = self.result / name
        if folder.exists():  # from a killed process, possibly incomplete
            shutil.rmtree(folder)
        for each in (self.result, folder.parent, folder):
            each.mkdir(exist_ok=True)
        return folder

    @property
    def finished(self) -> bool:
        """Whether the last attempt finished the run, but was killed before it could clear the directory."""
        return bool(self.earlier) and self.earlier[-1]["end"] == FINISHED

    def retire(self, steps: int) -> None:
        """Clear the directory of a finished run. Another request for the run starts from the beginning."""
        self.note(steps, FINISHED)
        self.clear()

    def clear(self) -> None:
        """Delete everything but the lease."""
        self.lease.check()
        empty_workdir(self.folder)


def empty_workdir(folder: Path) -> None:
    """Delete the contents of a work directory, except the lease, which the caller must hold.

    The order matters if the process is killed: the ledger goes after the folders, and the mark last, so that a partly
    deleted directory still says how its run ended and which results it is for.
    """
    rest = [path for path in folder.iterdir() if not path.name.startswith("lease.")]
    for path in sorted(rest, key=lambda path: (path.name == MARK, path.is_file())):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@dataclass(frozen=True)
class SharedWorkDir:
    """A work directory as one of the run's ranks sees it. All ranks read it and write checkpoints; rank 0 owns it."""

    folder: Path
    ranks: Ranks
    owned: WorkDir | None
    """On rank 0; None on all others."""

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS

    @property
    def result(self) -> Path:
        return self.folder / RESULT

    def check(self) -> None:
        """Raises TryAgain on rank 0 if the lease is lost. To be called before anything is written."""
        if self.owned:
            self.owned.lease.check()

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Record an error that a retry would repeat, so that later attempts are refused. Any rank may record one."""
        try:
            yield
        except REPEATING as error:
            self.check()
            record = {"schema": FAILURE_SCHEMA, "schema_version": 1, "cause": cause_of(error)}
            with suppress(OSError):
                write_json(self.folder / FAILURE, record, parents=False)
            raise


@contextmanager
def shared_workdir(folder: Path, result: Path, wait: float, fresh: bool, ranks: Ranks) -> Iterator[SharedWorkDir]:
    """Hold a work directory on rank 0 for all ranks; see `WorkDir` for the arguments and errors."""
    owned = None
    with ranks.failing_together():
        if ranks.is_main:
            owned = WorkDir(folder, result, wait, fresh)
    with owned or nullcontext():
        yield SharedWorkDir(folder, ranks, owned)


def read_ledger(path: Path) -> list[dict]:
    """Records of the attempts so far; none if the file is damaged."""
    try:
        return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except ValueError:
        print(f"{path}: damaged; earlier attempts are no longer listed", file=sys.stderr, flush=True)
        return []


def cause_of(error: BaseException) -> str:
    """An error in one line."""
    kind = "" if isinstance(error, BadInput | TryAgain) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())
