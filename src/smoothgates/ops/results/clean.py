"""clean: a study's results, logs and report are forgotten. What git keeps stays, and work of unfinished runs."""

from collections.abc import Iterator
from pathlib import Path

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.paths import Paths
from smoothgates.io.text import size
from smoothgates.jobs.snakemake.exclusive import alone
from smoothgates.ops.cluster.controller_lock import is_held
from smoothgates.ops.results.git import tracked
from smoothgates.ops.results.removal import is_folder, removal, remove
from smoothgates.ops.results.workdirs import at_work, look_around
from smoothgates.study.loader import name_of, study_path
from smoothgates.study.ownership import refuse_other_owner
from smoothgates.study.rehearsal import rehearsal_of


def run(study: str, yes: bool = False, work: Path = Path("work")) -> None:
    """Print what is there of a study, by its name or the path of its file; with `yes`, remove it.

    Raises BadInput if there is no such study, its results are another's, or Snakemake is at work on it; TryAgain while
    a trainer or a controller of a cluster is. Its file need not be sound.
    """
    file, _ = rehearsal_of(path := study_path(study))
    if not file.is_file():
        raise BadInput(
            f"{file}: no such file: expected a study; the results of one whose file is gone are to be deleted by hand"
        )
    paths = Paths(name := name_of(path))
    refuse_other_owner(file, name)
    if yes and (why := at_work_on(paths, work)):
        raise TryAgain(f"{paths.results}: nothing is removed: {why}")
    roots = [Path(folder) for folder in (paths.results, paths.logs, paths.reports)]
    kept = tracked(roots)
    found = [removal(each, "generated") for root in roots for each in untracked(root, kept)]
    for each in found:
        print(f"{size(each.size):>9}  {each.path}{' (a link: what it leads to stays)' * each.path.is_symlink()}")
    if there := [root for root in roots if root in kept]:
        print(f"     left  {there[0]}: what git keeps there")
    if not found:
        print(f"nothing to free: {name} has left nothing here")
    elif yes:
        with alone(name):
            print(f"freed {size(remove(found, [root.parent for root in roots]))}")
    else:
        print(f"would free {size(sum(each.size for each in found))}: --yes does it")


def untracked(path: Path, kept: frozenset[Path]) -> Iterator[Path]:
    """The fewest files and folders that are all of a path but what git keeps."""
    if path in kept and is_folder(path):
        for child in sorted(path.iterdir()):
            yield from untracked(child, kept)
    elif path not in kept and (path.exists() or path.is_symlink()):
        yield path


def at_work_on(paths: Paths, work: Path) -> str:
    """Who is at work on a study: a trainer, or a controller of a cluster. Empty if nobody is."""
    results = Path(paths.results).absolute()
    for seen in look_around(work):
        if any(results in each.parents for each in seen.results or ()) and (holder := at_work(seen.folder)):
            return f"{holder} is at work in {seen.folder}"
    return "its controller is alive: `cluster cancel` ends its jobs" if is_held(results.name) else ""
