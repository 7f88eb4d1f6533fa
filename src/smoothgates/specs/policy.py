"""Spec of `policy`: a policy without RL."""

from typing import Annotated, Literal

from pydantic import Field

from smoothgates.io.bounds import Seed
from smoothgates.io.records import Record
from smoothgates.specs.architecture import Architecture
from smoothgates.specs.control import PolicyName
from smoothgates.specs.fields import TaskName
from smoothgates.specs.supervised import Supervised


class Model(Record):
    """A published policy to start from."""

    hub: str
    """Its name on the Hugging Face Hub, such as Qwen/Qwen2.5-7B-Instruct."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """Commit on the hub."""
    stand_in: Architecture | None = None
    """For rehearsals: a stand-in of this shape with random weights. Nothing is downloaded."""


class PolicySpec(Record):
    """A policy without RL: trained on demonstrations, from scratch or from another policy, or not trained at all."""

    task: TaskName
    regime_name: Literal["control"] = "control"
    method_name: PolicyName
    seed: Seed
    architecture: Architecture | None
    """Shape of a policy that starts with random weights."""
    model: Model | None = None
    """The published policy to start from instead."""
    tokenizer: Literal["words", "bytes"]
    supervised: Supervised | None
    """None: no training."""
