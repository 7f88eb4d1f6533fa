"""clean: delete a study's results, logs and report. Files that git tracks stay, and so do work directories."""

from collections.abc import Iterator
from pathlib import Path

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.paths import Paths
from smoothgates.io.text import size
from smoothgates.jobs.snakemake.exclusive import alone
from smoothgates.ops.controller_lock import is_held
from smoothgates.ops.results.git import tracked
from smoothgates.ops.results.removal import is_folder, removal, remove
from smoothgates.ops.results.workdirs import at_work, look_around
from smoothgates.study.loader import name_of, study_path
from smoothgates.study.ownership import refuse_other_owner
from smoothgates.study.rehearsal import rehearsal_of


def run(study: str, yes: bool = False, work: Path = Path("work")) -> None:
    """List the files of a study, given by its name or the path of its file. With `yes`, delete them.

    The study's file need not be valid. Raises BadInput if it is missing, if the results belong to another file, or if
    Snakemake is running the study; TryAgain while a trainer or a cluster controller is.
    """
    file, _ = rehearsal_of(path := study_path(study))
    if not file.is_file():
        raise BadInput(f"{file}: no such file: expected a study; if its file is gone, delete its results by hand")
    paths = Paths(name := name_of(path))
    refuse_other_owner(file, name)
    if yes and (why := at_work_on(paths, work)):
        raise TryAgain(f"{paths.results}: nothing is deleted: {why}")
    roots = [Path(folder) for folder in (paths.results, paths.logs, paths.reports)]
    kept = tracked(roots)
    found = [removal(each, "generated") for root in roots for each in untracked(root, kept)]
    for each in found:
        print(f"{size(each.size):>9}  {each.path}{' (a link: its target stays)' * each.path.is_symlink()}")
    if there := [root for root in roots if root in kept]:
        print(f"     left  {there[0]}: files that git tracks")
    if not found:
        print(f"nothing to free: {name} has no files here")
    elif yes:
        with alone(name):
            print(f"freed {size(remove(found, [root.parent for root in roots]))}")
    else:
        print(f"would free {size(sum(each.size for each in found))}: --yes does it")


def untracked(path: Path, kept: frozenset[Path]) -> Iterator[Path]:
    """The smallest set of files and folders that covers a path except what git tracks."""
    if path in kept and is_folder(path):
        for child in sorted(path.iterdir()):
            yield from untracked(child, kept)
    elif path not in kept and (path.exists() or path.is_symlink()):
        yield path


def at_work_on(paths: Paths, work: Path) -> str:
    """The trainer or cluster controller that works on a study. Empty if there is none."""
    results = Path(paths.results).absolute()
    for seen in look_around(work):
        if any(results in each.parents for each in seen.results or ()) and (holder := at_work(seen.folder)):
            return f"{holder} works in {seen.folder}"
    return "its controller is running: stop it first" if is_held(results.name) else ""
