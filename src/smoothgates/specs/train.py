"""The spec of the stage `train`: one RL run."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from smoothgates.io.bounds import Samples, Seed, Tokens, Updates, UpdatesOrNone
from smoothgates.io.records import Record
from smoothgates.methods.method import Method
from smoothgates.specs.fields import TaskName
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol, SamplerConfig


class EngineConfig(Record):
    """Settings of the engine, which computes gradients and takes optimiser steps."""

    kind: Literal["torch", "deepspeed"] = "torch"
    """`torch`: one process. `deepspeed`: one process for each GPU of the job."""
    zero: Literal[1, 2, 3] = 2
    """DeepSpeed's ZeRO stage. 1 divides the optimiser state among the ranks, 2 also gradients, 3 also weights."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of weights and activations. Master weights and log-softmax are always in single precision."""
    offload: bool = False
    """Keep the optimiser state in main memory (DeepSpeed only)."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: a third more work, a fraction of the memory."""
    tokens: Tokens | None = None
    """Most tokens in a micro-batch of one rank, including padding unless packed. None: one micro-batch per update."""
    packed: bool = False
    """Join sequences end to end instead of padding them to the longest."""
    logits: Tokens | None = None
    """Compute logits for at most this many tokens at a time. None: for a whole micro-batch."""

    @model_validator(mode="after")
    def _torch_is_plain(self) -> "EngineConfig":
        if self.kind == "torch" and self.offload:
            raise ValueError("offload: expected the engine 'deepspeed', got 'torch'")
        return self


class Regime(Record):
    """The schedule of an RL run, which decides how far off-policy its updates are."""

    rollouts: Updates
    """Number of rollouts to train on."""
    minibatches: Updates
    """Updates in each pass over a rollout."""
    epochs: Updates = 1
    """Number of passes over a rollout."""
    lag: UpdatesOrNone = 0
    """Number of rollouts that are sampled between the sampling of a rollout and training on it."""
    optimizer: Adam


class Sampling(Record):
    """Size of a rollout. The sampling temperature is 1, and no token is cut off."""

    prompts: Samples
    """Prompts per rollout."""
    group: Annotated[Samples, Field(ge=2)]
    """Completions per prompt, G."""


class TrainSpec(Record):
    """One RL run."""

    task: TaskName
    regime_name: str
    method_name: str
    seed: Seed
    method: Method
    regime: Regime
    protocol: Protocol
    sampling: Sampling
    engine: EngineConfig = EngineConfig()
    sampler: SamplerConfig = SamplerConfig()
    published: bool = False
    """Whether the policy is a published model, run by transformers, or a compact one."""
    checkpoint_every: Updates
    """Number of rollouts between two policies that are kept for the learning curve."""
