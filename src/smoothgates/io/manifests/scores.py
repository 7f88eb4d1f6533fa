"""Scores of a policy on a benchmark."""

from typing import ClassVar

from smoothgates.io.manifests.manifest import Manifest


class ScoresManifest(Manifest):
    """Written by `evaluate`."""

    SCHEMA: ClassVar[str] = "smoothgates.scores"
