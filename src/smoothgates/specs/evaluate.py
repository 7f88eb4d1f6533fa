"""The spec of `evaluate`: one benchmark."""

from typing import Literal

from pydantic import NonNegativeFloat

from smoothgates.io.bounds import Rows, Samples, Seed
from smoothgates.io.records import Record
from smoothgates.specs.fields import TaskName
from smoothgates.specs.rollout import Protocol, SamplerConfig


class SamplingBudget(Record):
    """Problems of a benchmark, the first of one fixed list, and samples of each."""

    problems: Rows
    samples: Samples


class EvaluateSpec(Record):
    """One benchmark and how it is sampled."""

    task: TaskName
    benchmark: str
    protocol: Protocol
    temperature: NonNegativeFloat
    """Sampling temperature; 0 takes the most likely token."""
    final: SamplingBudget
    """Budget of the last checkpoint."""
    greedy: bool
    """Whether the last checkpoint also answers each problem once at temperature 0."""
    curve: SamplingBudget | None
    """Budget of each earlier checkpoint. None: only the last checkpoint is evaluated."""
    sampler: SamplerConfig = SamplerConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    published: bool = False
    seed: Seed
