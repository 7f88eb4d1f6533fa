"""Summaries and comparisons of a study."""

from typing import ClassVar

from smoothgates.io.manifests.manifest import Manifest


class ComparisonsManifest(Manifest):
    """Written by `analyse`."""

    SCHEMA: ClassVar[str] = "smoothgates.comparisons"
