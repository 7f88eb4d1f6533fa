"""Verdicts on the papers' claims."""

from typing import ClassVar

from smoothgates.io.manifests.manifest import Manifest


class VerdictsManifest(Manifest):
    """Written by `analyse`."""

    SCHEMA: ClassVar[str] = "smoothgates.verdicts"
