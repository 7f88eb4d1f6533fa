"""Find the work directories that no run of a study resumes from. Only those with our mark are ever deleted.

Their content is recorded before the study is verified and compared under their lease before they are deleted, so that
nothing is lost that a trainer has written meanwhile.
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
"""Seconds without a change after which a holder on another host counts as dead: a running trainer renews its lease
every few seconds. A holder on this host is known by its process id, and may be suspended for any length of time.
"""
NAME = re.compile("[0-9a-f]{16}")
"""Matches the names that `fingerprint` returns."""
BEAT = 0.05
"""Seconds between two checks of the lease of such a holder."""


@dataclass(frozen=True)
class Seen:
    """A work directory as it was at some moment."""

    folder: Path
    results: frozenset[Path] | None
    """Absolute paths of the manifests of its runs. None if it has no mark."""
    files: frozenset[tuple[str, int, int]]
    """Path, size and modification time of each file, except the lease."""

    @property
    def bare(self) -> bool:
        """Whether it has one of our names and at most a lease as its file: its run was killed as it began or ended."""
        return not self.files and NAME.fullmatch(self.folder.name) is not None


def look(folder: Path) -> Seen:
    files = [path for path in files_below(folder) if not path.name.startswith("lease.")]
    stamps = {(str(path), facts.st_size, facts.st_mtime_ns) for path in files for facts in facts_on([path])}
    return Seen(folder, marked_results(folder), frozenset(stamps))


def look_around(work: Path) -> list[Seen]:
    """All work directories in a folder. Links are not followed."""
    try:
        found = sorted(path for path in work.iterdir() if is_folder(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        print(f"     left  {work}: it cannot be read ({error.strerror})")
        return []
    return [look(folder) for folder in found]


class Needs:
    """The work directories that the unfinished runs of a study resume from."""

    def __init__(self, study: LoadedStudy, audit: Audit):
        self.results = Path(Paths(study.name).results).absolute()
        self.names: set[str] = set()
        self.unknown: dict[Path, str] = {}
        """By the result of a run: the input that is missing. The name of its work directory depends on this input."""
        ready = {path for job in audit.jobs("done") for path in job.writes}
        for job in (job for job, state in audit.states if job.stage == "train" and state != "done"):
            sources = listed(job.sources)
            waits = [path for path in sources if path not in ready]
            try:
                if not waits:
                    self.names.add(work_of(study, job))
            except OSError:  # deleted since it was verified
                waits = [sources[0]]
            if waits:
                self.unknown[Path(job.outputs["model"]).absolute()] = waits[0]

    def keeps(self, seen: Seen) -> str:
        """The reason to keep a work directory. Empty if no unfinished run of any study resumes from it."""
        if seen.results is None and not seen.bare:
            return "it has no mark that says what it is for: if it is not needed, delete it by hand"
        if others := {whose(each) for each in seen.results or () if self.results not in each.parents}:
            return f"it is for {' and '.join(sorted(others))}"
        if seen.folder.name in self.names:
            return "an unfinished run resumes from it"
        if waits := [self.unknown[each] for each in seen.results or () if each in self.unknown]:
            return f"its run may resume from it, which is not known before {waits[0]} is made"
        if holder := at_work(seen.folder):
            return f"{holder} works there"
        return ""


def whose(result: Path) -> str:
    """The owner of the result with this manifest, and what to do about its work directory."""
    parts = Path(os.path.relpath(result)).parts
    if parts[0] == "results" and len(parts) > 2:
        return f"the study {parts[1]}: prune that study, or delete it by hand if the study is gone"
    return f"{result}, which is outside of this checkout: prune there, or delete it by hand if that checkout is gone"


def work_of(study: LoadedStudy, job: Job) -> str:
    """Name of a run's work directory, as the trainer computes it. Raises OSError if an input cannot be read."""
    inputs = {**job.sources, "index": next(iter(job.inputs["index"]), None)}
    return fingerprint(**made_by(study, job), **{name: path and digest(Path(path)) for name, path in inputs.items()})


def at_work(folder: Path) -> str:
    """The holder of a work directory, as far as is known without waiting. Empty if there is none."""
    path = folder / "lease.json"
    held = read_lease(path)
    if not path.exists() or (ended_here(held) if held and is_here(held) else quiet(folder, QUIET)):
        return ""
    return holder_name(held)


def unneeded(found: list[Seen], needs: Needs) -> Iterator[Removal]:
    """Yield the work directories that can be deleted. Print those that stay, and why."""
    for seen in found:
        if why := needs.keeps(seen):
            print(f"     left  {seen.folder}: {why}")
        else:
            yield removal(seen.folder, "no unfinished run resumes from it", partial(discard, seen))


def discard(seen: Seen) -> None:
    """Delete a work directory, unless a process works there or has done so since it was seen.

    A trainer that starts meanwhile waits for the lease, and makes the directory again. Raises Left, OSError.
    """
    idle = quiet(seen.folder, QUIET)  # then a dead lease of another host is watched only for a short time
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
        with suppress(OSError):  # not empty: another process uses it
            seen.folder.rmdir()
