"""The catalogue of gates, and what the checks of theory found."""

from typing import ClassVar

from smoothgates.io.manifests.manifest import Loose, Manifest


class Checked(Loose):
    """What a check of analysis/theory.py found."""

    holds: bool
    detail: str


class GatesManifest(Manifest):
    """Written by `gates`."""

    SCHEMA: ClassVar[str] = "smoothgates.gates"

    theory: dict[str, Checked]
