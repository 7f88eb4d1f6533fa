"""The results of a study on disk: their run records, and the digests of their files."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import digest
from smoothgates.io.paths import record_of
from smoothgates.jobs.dag import Job
from smoothgates.ops.results.pruned import pruned_folders
from smoothgates.provenance.integrity import read_record

ABSENT = "no such file"


@dataclass(frozen=True)
class Result:
    """What one run record covers: all outputs of a job, or the scores of one seed. Paths are as in the record."""

    record: str
    declared: tuple[str, ...]
    """The files of the result that Snakemake knows."""
    facts: dict | None
    """The content of the run record. None if it is missing or damaged."""
    fault: str = ""
    """Why the run record is damaged. Empty if it is not."""
    pruned: frozenset[str] = frozenset()
    """Folders that `prune` or `archive` left out."""

    @property
    def outputs(self) -> dict[str, str]:
        """The digest of each file of the result when it was made."""
        return self.facts["outputs"] if self.facts else {}

    @property
    def inputs(self) -> dict[str, str]:
        """The digest of each file that the result was made from."""
        return self.facts["inputs"] if self.facts else {}

    def lacks(self, path: str) -> bool:
        """Whether a file is in a folder that was left out."""
        return any(path.startswith(f"{folder}/") for folder in self.pruned)


def results_of(job: Job) -> list[Result]:
    """The results of a job, with their run records."""
    return [
        read_result(record, tuple(path for path in job.writes if record_of(path) == record != path))
        for record in job.records
    ]


def read_result(record: str, declared: tuple[str, ...]) -> Result:
    path = Path(record)
    if not path.exists():
        return Result(record, declared, None)
    if not path.is_file():
        return Result(record, declared, None, "expected a file")
    try:
        facts = read_record(path)
        gone = pruned_folders(path, facts["outputs"])
        folders = frozenset((path.parent / folder).as_posix() for folder in gone)
        return Result(record, declared, facts, pruned=folders)
    except (BadInput, OSError) as error:
        return Result(record, declared, None, str(error).removeprefix(f"{record}: "))


def digests(paths: Iterable[str]) -> dict[str, str]:
    """The sha256 of each file, or a text that says why it cannot be read."""

    def one(path: str) -> str:
        try:
            if Path(path).is_fifo():
                return "cannot be read: Is a pipe"  # opening it would wait for a writer
            return digest(Path(path))
        except FileNotFoundError:
            return ABSENT
        except OSError as error:
            return f"cannot be read: {error.strerror}"

    unique = sorted(set(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(unique, pool.map(one, unique), strict=True))


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, including links, which are not followed."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*names, *links]):
            yield Path(parent, name)
