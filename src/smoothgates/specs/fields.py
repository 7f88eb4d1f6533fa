"""Types of fields that several specs share."""

from typing import Annotated, Literal

from pydantic import Field

from smoothgates.io.records import NAME
from smoothgates.tasks import NAMES

Share = Annotated[float, Field(ge=0, le=1)]

Decay = Annotated[float, Field(ge=0, lt=1)]

Name = Annotated[str, Field(pattern=NAME)]

TaskName = Literal[*NAMES]

CONTROL = "control"
"""The pseudo-regime of what is no RL run: the warm start, and supervised training continued."""
