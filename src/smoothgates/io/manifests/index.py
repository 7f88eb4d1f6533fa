"""Manifest of an index of passages."""

from typing import Any, ClassVar

from smoothgates.io.manifests.manifest import File, Manifest


class IndexManifest(Manifest):
    """Written by `index`."""

    SCHEMA: ClassVar[str] = "smoothgates.index"

    spec: dict[str, Any]
    files: list[File]
