"""prune: what takes room and is needed no more: shown with its size, and removed when told to."""

import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from smoothgates.custody.pruned import PRUNED, pruned_folders, pruned_note
from smoothgates.custody.results import files_below
from smoothgates.custody.verify import Audit, verify
from smoothgates.errors import BadInput
from smoothgates.files import digest, read_json, write_json
from smoothgates.jobs import Job, made_by
from smoothgates.paths import Paths
from smoothgates.records import read_yaml
from smoothgates.study import LoadedStudy, load_study
from smoothgates.train.work import fingerprint

QUIET = 3600
"""Seconds without a change after which what is temporary is nobody's. A trainer at work renews its lease all the time;
clocks of other machines may be a little off.
"""


@dataclass(frozen=True)
class Removal:
    """A file or folder that can go."""

    path: Path
    why: str
    size: int
    """Bytes."""
    record: Path | None = None
    """Of the result that it is part of: its absence is noted beside it."""


def run(
    study: LoadedStudy,
    yes: bool = False,
    checkpoints: bool = False,
    foreign: bool = False,
    work: Path = Path("work"),
) -> None:
    """Print what can go; with `yes`, remove it."""
    audit = verify(study, thorough=checkpoints)
    found = [*leftovers(audit)]
    try:
        others = [other for other in studies_in(Path("config")) if other.path != study.path]
        found += unneeded(work, needed_work([study, *others]))
    except BadInput as error:
        print(f"{work} is left alone, because what it is for cannot be told: {error}")
    if checkpoints:
        found += learning_curves(audit)
    if foreign:
        found += [removal(Path(finding.path), "foreign") for finding in audit.findings if finding.is_stray]
    for each in found:
        print(f"{human(each.size):>9}  {each.path}: {each.why}")
    if yes:
        remove(found, [Path("results"), Path("reports"), work])
    total = human(sum(each.size for each in found))
    print("nothing to free" if not found else f"freed {total}" if yes else f"would free {total}: --yes does it")


def studies_in(folder: Path) -> list[LoadedStudy]:
    """The studies among the config files of a folder."""
    files = sorted(folder.glob("*.yaml"))
    return [load_study(str(path)) for path in files if {"seeds", "tasks"} <= read_yaml(path).keys()]


def needed_work(studies: Iterable[LoadedStudy]) -> set[str]:
    """Names of the work directories that runs of some studies go on from. BadInput while that cannot be told.

    A directory's name depends on the bytes that its run is made from: they must be there, and be what they will stay.
    """
    needed: set[str] = set()
    # Where there is nothing of a study, none of its runs has begun.
    for study in (study for study in studies if Path(Paths(study.name).results).exists()):
        audit = verify(study, thorough=False)
        ready = {path for job in audit.jobs("done") for path in job.outputs}
        for job in (job for job, state in audit.states if job.stage == "train" and state != "done"):
            if waits := [path for path in job.inputs if path not in ready]:
                raise BadInput(f"{waits[0]}: is not there yet, or will be made again")
            needed.add(work_of(study, job))
    return needed


def work_of(study: LoadedStudy, job: Job) -> str:
    """Name of a run's work directory."""
    return fingerprint(**made_by(study, job), inputs=[digest(Path(path)) for path in job.inputs])


def unneeded(work: Path, needed: set[str]) -> Iterator[Removal]:
    """Work directories that no unfinished job goes on from and that nobody works in."""
    for folder in sorted(work.iterdir()) if work.is_dir() else []:
        if folder.name not in needed and quiet(folder):
            yield removal(folder, "no unfinished job goes on from it")


def leftovers(audit: Audit) -> Iterator[Removal]:
    """Temporary files of processes that were killed."""
    return (removal(path, "left by a killed process") for path in map(Path, audit.leftovers) if quiet(path))


def learning_curves(audit: Audit) -> Iterator[Removal]:
    """Checkpoints of finished runs that only learning curves need, where all its scores are there and current."""
    pending = [job for job, state in audit.states if job.stage == "evaluate" and state != "done"]
    unscored = {path for job in pending for path in job.inputs}
    for job in audit.jobs("done"):
        if job.stage == "train" and unscored.isdisjoint(job.outputs):
            record = Path(job.records[0])
            for checkpoint in read_json(Path(job.outputs[0]), "smoothgates.model")["checkpoints"]:
                folder = record.parent / checkpoint["folder"]
                if folder.is_dir():
                    yield removal(folder, f"its scores are there ({job.name})", record)


def remove(found: list[Removal], roots: list[Path]) -> None:
    """Remove for good. BadInput, before anything is gone, if something lies outside of `roots` or behind a link."""
    for each in found:
        if not any(lies_in(each.path, root) for root in roots):
            raise BadInput(
                f"{each.path}: not removed, nor anything else: it is outside of this study, or behind a link"
            )
    for record in {each.record for each in found if each.record}:
        folders = {each.path.relative_to(record.parent).as_posix() for each in found if each.record == record}
        # Before they go: a prune that is killed half-way leaves nothing that looks damaged.
        write_json(record.with_name(PRUNED), pruned_note(record, folders | pruned_folders(record)))
    for each in found:
        if each.path.is_dir() and not each.path.is_symlink():
            shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)


def lies_in(path: Path, root: Path) -> bool:
    """Whether a path is below a folder with no link on the way. The folder may itself be a link, to a larger disk."""
    return root in path.parents and path.parent.resolve() == root.resolve() / path.parent.relative_to(root)


def removal(path: Path, why: str, record: Path | None = None) -> Removal:
    return Removal(path, why, sum(file.lstat().st_size for file in contents(path)), record)


def quiet(path: Path) -> bool:
    """Whether nothing in it changed of late."""
    return time.time() - max(file.lstat().st_mtime for file in [path, *contents(path)]) > QUIET


def contents(path: Path) -> list[Path]:
    """The files of a folder, or the one file or link that it is."""
    return list(files_below(path)) if path.is_dir() and not path.is_symlink() else [path]


def human(size: float) -> str:
    """Bytes in a unit that fits.

    >>> human(312), human(1_234_000), human(4.1e10)
    ('312 B', '1.2 MB', '41.0 GB')
    """
    units = ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.{0 if units[0] == 'B' else 1}f} {units[0]}"
