"""What `evaluate` is told: one benchmark."""

from typing import Literal

from pydantic import NonNegativeFloat

from smoothgates.io.bounds import Rows, Samples, Seed
from smoothgates.io.records import Record
from smoothgates.specs.fields import TaskName
from smoothgates.specs.rollout import Protocol, SamplerConfig


class SamplingBudget(Record):
    """How many of a benchmark's problems, and how often each is answered; all problems come from one fixed list."""

    problems: Rows
    samples: Samples


class EvaluateSpec(Record):
    """One benchmark of a checkpoint."""

    task: TaskName
    benchmark: str
    protocol: Protocol
    temperature: NonNegativeFloat
    """Of the samples; 0 takes the likeliest token."""
    final: SamplingBudget
    """Of the last checkpoint."""
    greedy: bool
    """Whether the last checkpoint also answers each problem once at temperature 0."""
    curve: SamplingBudget | None
    """Of the checkpoints before it: the first problems of the same list. None: the last checkpoint alone."""
    sampler: SamplerConfig = SamplerConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    published: bool = False
    seed: Seed
