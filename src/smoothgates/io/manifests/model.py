"""Manifest of a policy: model.json."""

from typing import ClassVar

from pydantic import model_validator

from smoothgates.io.manifests.manifest import File, Inside, Loose, Manifest


class RunKeys(Loose):
    """The run that a policy comes from."""

    task: str
    regime_name: str
    method_name: str
    seed: int


class Checkpoint(Loose):
    """A checkpoint that is kept for the learning curve."""

    rollouts: int
    folder: Inside


class ModelManifest(Manifest):
    """Written by `policy` and `train`: the final policy, and the checkpoints on the way to it."""

    SCHEMA: ClassVar[str] = "smoothgates.model"

    spec: RunKeys
    status: str
    rollouts: int
    final: Inside
    checkpoints: list[Checkpoint]
    folders: dict[Inside, list[File]]

    @model_validator(mode="after")
    def _named(self) -> "ModelManifest":
        for folder in (self.final, *(checkpoint.folder for checkpoint in self.checkpoints)):
            if folder not in self.folders:
                raise ValueError(f"folders: expected the files of '{folder}' among them")
        return self
