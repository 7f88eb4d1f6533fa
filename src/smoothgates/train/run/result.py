"""The files of a finished run: put in their places at once, so that there is a whole result or none."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import flush, link_or_copy, read_json, temporaries
from smoothgates.provenance.run_record import RUN_SCHEMA

FOLDERS = ("checkpoints", "weights")


@dataclass(frozen=True)
class Result:
    """Where a run's result goes."""

    out: Path
    """Its manifest, the policies that it names beside it."""
    metrics: Path

    @property
    def record(self) -> Path:
        """How it was made."""
        return self.out.with_name("run.json")

    def clear(self) -> None:
        """Delete an earlier result, its manifest first, and what a killed process left of one."""
        for path in (self.out, self.record, self.metrics):
            path.unlink(missing_ok=True)
            for rest in temporaries(path):
                rest.unlink()
        for name in FOLDERS:
            if (folder := self.out.parent / name).exists():
                shutil.rmtree(folder)

    def place(self, source: Path, name: str) -> None:
        """Add a folder under this name, with the files of another."""
        target = self.out.parent / name
        target.mkdir(parents=True)
        for file in source.iterdir():
            link_or_copy(file, target / file.name)
        flush(target)
        flush(target.parent)

    def is_made_by(self, facts: dict) -> bool:
        """Whether it is there, whole, made of and by what an execution's facts say."""
        try:
            made = read_json(self.record, RUN_SCHEMA)
        except BadInput:
            return False
        same = all(made[key] == facts[key] for key in ("spec_sha256", "code_sha256", "lock_sha256", "inputs"))
        return same and all(Path(path).exists() for path in [self.out, self.metrics, *made["outputs"]])
