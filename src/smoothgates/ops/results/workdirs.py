"""Work directories: which of them no run of a study goes on from. Only what carries our mark is ever removed.

What they hold is looked at before the study is, and once more under their lease: what a trainer has done there in the
meantime is never lost.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from smoothgates.errors import TryAgain
from smoothgates.io.files import digest
from smoothgates.io.paths import Paths
from smoothgates.jobs.dag import Job, listed, made_by
from smoothgates.ops.results.inventory import files_below
from smoothgates.ops.results.removal import Left, Removal, facts_on, is_folder, quiet, removal
from smoothgates.ops.results.verify import Audit
from smoothgates.study.loader import LoadedStudy
from smoothgates.train.run.lease import PATIENCE, Lease, ended_here, holder_name, is_here, read_lease
from smoothgates.train.run.mark import marked_results
from smoothgates.train.run.workdir import empty_workdir, fingerprint

QUIET = 3600
"""Seconds without a change after which a holder on another host counts as dead: a trainer at work renews its lease all
the time. One on this host is asked for by its number, and may be suspended for as long as it likes.
"""
NAME = re.compile("[0-9a-f]{16}")
"""What `fingerprint` gives."""
BEAT = 0.05
"""Seconds between two looks at the lease of such a one."""


@dataclass(frozen=True)
class Seen:
    """A work directory as it was at some moment."""

    folder: Path
    results: frozenset[Path] | None
    """Absolute paths of the manifests that it is for; None if no mark says so."""
    files: frozenset[tuple[str, int, int]]
    """Path, size and time of change of each, the lease apart."""

    @property
    def bare(self) -> bool:
        """Whether it has a name of ours and holds at most a lease: of one killed at its very beginning or end."""
        return not self.files and NAME.fullmatch(self.folder.name) is not None


def look(folder: Path) -> Seen:
    files = [path for path in files_below(folder) if not path.name.startswith("lease.")]
    stamps = {(str(path), facts.st_size, facts.st_mtime_ns) for path in files for facts in facts_on([path])}
    return Seen(folder, marked_results(folder), frozenset(stamps))


def look_around(work: Path) -> list[Seen]:
    """Every folder in a folder of work directories. Links are not followed: what they lead to is not there."""
    try:
        found = sorted(path for path in work.iterdir() if is_folder(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        print(f"     left  {work}: it cannot be read ({error.strerror})")
        return []
    return [look(folder) for folder in found]


class Needs:
    """What the unfinished runs of a study go on from."""

    def __init__(self, study: LoadedStudy, audit: Audit):
        self.results = Path(Paths(study.name).results).absolute()
        self.names: set[str] = set()
        self.unknown: dict[Path, str] = {}
        """Runs of which that cannot be told yet, by the path of their result: what they wait for. The name of their
        directory depends on bytes that are to be made first.
        """
        ready = {path for job in audit.jobs("done") for path in job.writes}
        for job in (job for job, state in audit.states if job.stage == "train" and state != "done"):
            sources = listed(job.sources)
            waits = [path for path in sources if path not in ready]
            try:
                if not waits:
                    self.names.add(work_of(study, job))
            except OSError:  # gone since it was verified
                waits = [sources[0]]
            if waits:
                self.unknown[Path(job.outputs["model"]).absolute()] = waits[0]

    def keeps(self, seen: Seen) -> str:
        """Why a directory is to stay; empty if no unfinished run of this study, or of any other, goes on from it."""
        if seen.results is None and not seen.bare:
            return "no mark says what it is for: if you know that it can go, delete it by hand"
        if others := {whose(each) for each in seen.results or () if self.results not in each.parents}:
            return f"it is for {' and '.join(sorted(others))}"
        if seen.folder.name in self.names:
            return "an unfinished run goes on from it"
        if waits := [self.unknown[each] for each in seen.results or () if each in self.unknown]:
            return f"whether its run goes on from it can be told when {waits[0]} is made"
        if holder := at_work(seen.folder):
            return f"{holder} is at work there"
        return ""


def whose(result: Path) -> str:
    """Of whom a result is, and what to do about their work directories; from the path of its manifest."""
    parts = Path(os.path.relpath(result)).parts
    if parts[0] == "results" and len(parts) > 2:
        return f"the study {parts[1]}: prune that, or delete it by hand if there is no such study any more"
    return f"{result}, which is not of this checkout: prune there, or delete it by hand if that is gone"


def work_of(study: LoadedStudy, job: Job) -> str:
    """Name of a run's work directory, as the trainer computes it. Raises OSError if an input cannot be read."""
    inputs = {**job.sources, "index": next(iter(job.inputs["index"]), None)}
    return fingerprint(**made_by(study, job), **{name: path and digest(Path(path)) for name, path in inputs.items()})


def at_work(folder: Path) -> str:
    """Who holds a directory, as far as can be told at a glance; empty if nobody does."""
    path = folder / "lease.json"
    held = read_lease(path)
    if not path.exists() or (ended_here(held) if held and is_here(held) else quiet(folder, QUIET)):
        return ""
    return holder_name(held)


def unneeded(found: list[Seen], needs: Needs) -> Iterator[Removal]:
    """The directories that can go. Those that stay are told."""
    for seen in found:
        if why := needs.keeps(seen):
            print(f"     left  {seen.folder}: {why}")
        else:
            yield removal(seen.folder, "no unfinished run goes on from it", partial(discard, seen))


def discard(seen: Seen) -> None:
    """Remove a directory unless somebody is, or was since, at work there. Whoever comes now waits, and makes it anew.

    Raises Left, OSError.
    """
    idle = quiet(seen.folder, QUIET)  # so that a dead lease of another host need not be watched for long
    if not seen.folder.exists():
        raise Left("it is gone already")
    try:
        lease = Lease(seen.folder, 4 * PATIENCE * BEAT, BEAT) if idle else Lease(seen.folder, 0)
    except TryAgain as error:
        raise Left(str(error)) from None
    try:
        if look(seen.folder) != seen:
            raise Left("it has changed meanwhile")
        empty_workdir(seen.folder)
    finally:
        lease.release()
        with suppress(OSError):  # not empty: somebody goes on from it, or comes
            seen.folder.rmdir()
