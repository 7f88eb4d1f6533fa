"""What manifests and records must hold, whoever wrote them: files beside them, and what readers ask of them.

They are checked where they are read, so that one that was edited, or came from elsewhere, is one line. They hold more
than this, for people and for the report.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, NonNegativeFloat, model_validator

from smoothgates.io.records import Record


def _inside(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError(f"expected a name below the manifest's folder, got '{name}'")
    return name


Inside = Annotated[str, AfterValidator(_inside)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Loose(Record):
    """With other keys as well."""

    model_config = ConfigDict(extra="allow")


class File(Loose):
    """A file that a manifest names."""

    name: Inside
    sha256: Sha256


class Data(Loose):
    """What `prepare` leaves."""

    spec: dict[str, Any]
    train: File
    benchmarks: dict[str, File]


class Run(Loose):
    """Which run a policy is of."""

    task: str
    regime_name: str
    method_name: str
    seed: int


class Kept(Loose):
    """A checkpoint for the learning curve."""

    rollouts: int
    folder: Inside


class Model(Loose):
    """A policy, and those on the way to it."""

    spec: Run
    status: str
    rollouts: int
    final: Inside
    checkpoints: list[Kept]
    folders: dict[Inside, list[File]]

    @model_validator(mode="after")
    def _named(self) -> "Model":
        for folder in (self.final, *(kept.folder for kept in self.checkpoints)):
            if folder not in self.folders:
                raise ValueError(f"folders: expected the files of '{folder}' among them")
        return self


class Index(Loose):
    """An index of passages."""

    spec: dict[str, Any]
    files: list[File]


class Account(Loose):
    """The record of one execution: run.json."""

    stage: str
    spec_sha256: Sha256
    code_sha256: Sha256
    lock_sha256: str
    inputs: dict[str, Sha256]
    outputs: dict[str, Sha256]
    drift: dict[str, list[str | None]]
    dirty: bool | None
    versions: dict[str, str]
    began: Annotated[str, Field(pattern=r"^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\dZ$")]
    seconds: Annotated[NonNegativeFloat, Field(le=1e10)]


SHAPES: dict[str, type[Loose]] = {
    "smoothgates.data": Data,
    "smoothgates.model": Model,
    "smoothgates.index": Index,
    "smoothgates.run": Account,
}
"""By schema."""
