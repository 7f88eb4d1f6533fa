"""The catalogue of gates, and what the checks of theory found."""

from typing import ClassVar

from smoothgates.io.manifests.manifest import Manifest


class GatesManifest(Manifest):
    """Written by `gates`."""

    SCHEMA: ClassVar[str] = "smoothgates.gates"
