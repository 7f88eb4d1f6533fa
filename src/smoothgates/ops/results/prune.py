"""prune: list the files of a study that are no longer needed, with their sizes, and delete them on request.

The study may run meanwhile: each file is checked again just before it is deleted.
"""

import platform
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import TEMPORARY, temporary, write_json
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.paths import Paths
from smoothgates.io.text import size
from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.results.git import tracked
from smoothgates.ops.results.inventory import digests
from smoothgates.ops.results.pruned import PRUNED, pruned_folders, pruned_note
from smoothgates.ops.results.removal import Left, Removal, delete, quiet, removal, remove
from smoothgates.ops.results.verify import Audit, verify
from smoothgates.ops.results.workdirs import QUIET, Needs, look_around, unneeded
from smoothgates.provenance.integrity import read_record
from smoothgates.study.loader import LoadedStudy
from smoothgates.train.run.lease import alive

FOREIGN = "foreign"
LONG = 24 * QUIET
"""Seconds without a change after which a process on another host is assumed to have ended."""


def run(
    study: LoadedStudy,
    yes: bool = False,
    checkpoints: bool = False,
    foreign: bool = False,
    work: Path = Path("work"),
) -> None:
    """List what can be deleted. With `yes`, delete it."""
    seen, paths = look_around(work), Paths(study.name)
    records = digests(record for job in jobs_of(study) if job.stage == "train" for record in job.records)
    audit = verify(study, thorough=checkpoints)
    found = [*leftovers(audit), *unneeded(seen, Needs(study, audit))]
    if checkpoints:
        found += learning_curves(audit, records)
    if foreign:
        found += strays(audit)
    kept = tracked([Path(paths.results), Path(paths.reports)])
    found = [each for each in found if each.path not in kept]
    for each in found:
        print(f"{size(each.size):>9}  {each.path}: {each.why}")
    if not found:
        print("nothing to free")
    elif yes:
        if foreign:  # a foreign file may belong to a result that was made meanwhile
            still = {each.path for each in strays(verify(study, thorough=False))}
            found = [each for each in found if each.why != FOREIGN or each.path in still]
        print(f"freed {size(remove(found, [Path(paths.results), Path(paths.reports), work]))}")
    else:
        print(f"would free {size(sum(each.size for each in found))}: --yes does it")


def strays(audit: Audit) -> list[Removal]:
    """Files that no job makes."""
    return [removal(Path(finding.path), FOREIGN) for finding in audit.findings if finding.is_stray]


def leftovers(audit: Audit) -> Iterator[Removal]:
    """Temporary files of processes that were killed."""
    return (removal(path, "left by a killed process") for path in map(Path, audit.leftovers) if abandoned(path))


def abandoned(path: Path) -> bool:
    """Whether the process that wrote this temporary file has ended."""
    name = TEMPORARY.fullmatch(path.name)
    if name["host"] != platform.node():
        return quiet(path, LONG)
    return not alive(int(name["pid"])) and quiet(path, QUIET)


def learning_curves(audit: Audit, records: dict[str, str]) -> Iterator[Removal]:
    """Checkpoints that only learning curves need, of finished runs whose scores are there and current.

    `records`: the digest of each run record before it was verified.
    """
    pending = [job for job, state in audit.states if job.stage == "evaluate" and state != "done"]
    unscored = {path for job in pending for path in job.reads}
    for job in audit.jobs("done"):
        if job.stage == "train" and unscored.isdisjoint(job.writes):
            record = Path(job.records[0])
            for folder in kept_by(Path(job.outputs["model"])):
                if folder.is_dir():
                    act = partial(drop, folder, record, records[str(record)])
                    yield removal(folder, f"it has been evaluated ({job.name})", act)


def kept_by(manifest: Path) -> Iterable[Path]:
    """The folders of a run's checkpoints. None while the run is made again."""
    try:
        named = read_manifest(manifest, ModelManifest)["checkpoints"]
    except BadInput:
        return []
    return [manifest.parent / each["folder"] for each in named]


def drop(folder: Path, record: Path, made: str) -> None:
    """Delete a checkpoint of the result whose run record has the digest `made`, after noting it in pruned.json.

    A trainer that makes the result again deletes the run record first. So if the record is unchanged after the folder
    was renamed, the folder belonged to that result. Raises Left, OSError.
    """
    note, aside = record.with_name(PRUNED), temporary(folder)

    def check() -> None:
        if digests([str(record)])[str(record)] != made:
            raise Left("its run has been repeated meanwhile")

    check()
    # The note comes first, so that a prune that is killed halfway leaves nothing that looks damaged.
    named = {folder.relative_to(record.parent).as_posix()}
    try:
        named |= pruned_folders(record, read_record(record)["outputs"])
    except BadInput as error:
        raise Left(str(error)) from None
    write_json(note, pruned_note(record, named), parents=False)
    folder.rename(aside)
    try:
        check()
    except Left:
        with suppress(OSError):  # the new result has a folder of this name
            aside.rename(folder)
        raise
    delete(aside)
