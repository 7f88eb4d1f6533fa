"""Where the files of a run's result lie. A result is complete or absent; `publish.py` writes it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import flush, link_or_copy, temporaries
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.run_record import RunRecord

FOLDERS = ("checkpoints", "weights")


@dataclass(frozen=True)
class Result:
    """Where a run's result goes."""

    out: Path
    """The manifest. The policies that it lists lie beside it."""
    metrics: Path

    @property
    def record(self) -> Path:
        """The run record: how the result was made."""
        return self.out.with_name("run.json")

    def clear(self) -> None:
        """Delete an earlier result, its manifest first, and temporary files of killed processes."""
        for path in (self.out, self.record, self.metrics):
            path.unlink(missing_ok=True)
            for rest in temporaries(path):
                rest.unlink()
        for name in FOLDERS:
            if (folder := self.out.parent / name).exists():
                shutil.rmtree(folder)

    def add_folder(self, source: Path, name: str) -> None:
        """Add a folder of this name with the files of `source`."""
        target = self.out.parent / name
        target.mkdir(parents=True)
        for file in source.iterdir():
            link_or_copy(file, target / file.name)
        flush(target)
        flush(target.parent)

    def is_made_by(self, facts: dict) -> bool:
        """Whether the result is complete, and its spec, code, lock and inputs are those of an execution's facts."""
        try:
            made = read_manifest(self.record, RunRecord)
        except BadInput:
            return False
        same = all(made[key] == facts[key] for key in ("spec_sha256", "code_sha256", "lock_sha256", "inputs"))
        return same and all(Path(path).exists() for path in [self.out, self.metrics, *made["outputs"]])
