"""Manifest of a task's data."""

from typing import Any, ClassVar

from smoothgates.io.manifests.manifest import File, Manifest


class DataManifest(Manifest):
    """Written by `prepare`."""

    SCHEMA: ClassVar[str] = "smoothgates.data"

    spec: dict[str, Any]
    train: File
    benchmarks: dict[str, File]
