"""Record of one execution of a stage: run.json."""

from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeFloat

from smoothgates.io.manifests.manifest import Manifest, Sha256


class RunRecord(Manifest):
    """Written by every stage beside its result."""

    SCHEMA: ClassVar[str] = "smoothgates.run"

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
