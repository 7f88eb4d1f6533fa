"""The form that all manifests share.

Readers check a manifest when they read it, because it may have been edited or copied from elsewhere. Each kind declares
only the keys that readers use; the files hold more, for people and for the report.
"""

from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field

from smoothgates.io.files import read_json
from smoothgates.io.records import Record, parse


def _inside(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError(f"expected a name below the manifest's folder, got '{name}'")
    return name


Inside = Annotated[str, AfterValidator(_inside)]
"""A path below the manifest's folder."""
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Loose(Record):
    """A record that may hold more keys than it declares."""

    model_config = ConfigDict(extra="allow")


class Manifest(Loose):
    """A JSON file that names its schema."""

    SCHEMA: ClassVar[str]


class File(Loose):
    """A file that a manifest names."""

    name: Inside
    sha256: Sha256


def read_manifest(path: Path, kind: type[Manifest]) -> dict:
    """All keys of a manifest. Raises BadInput if a key that this kind declares is missing or malformed."""
    data = read_json(path, kind.SCHEMA)
    parse(kind, data, str(path))
    return data
