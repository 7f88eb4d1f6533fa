"""What `train` is told: one RL run."""

from typing import Literal

from pydantic import model_validator

from smoothgates.io.bounds import Seed, Tokens, Updates, UpdatesOrNone
from smoothgates.io.records import Record
from smoothgates.methods.method import Method
from smoothgates.specs.fields import TaskName
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol, SamplerConfig, Sampling


class EngineConfig(Record):
    """What computes gradients and takes optimiser steps."""

    kind: Literal["torch", "deepspeed"] = "torch"
    """`torch`: one process. `deepspeed`: as many as the job has GPUs."""
    zero: Literal[1, 2, 3] = 2
    """DeepSpeed's ZeRO stage: what is divided among the ranks. 1: optimiser state, 2: and gradients, 3: and weights."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of weights and activations. Master weights and log-softmax are in single precision always."""
    offload: bool = False
    """Keep the optimiser's state in main memory (DeepSpeed)."""
    gradient_checkpointing: bool = False
    """Compute activations anew in the backward pass: a third more work, a fraction of the memory."""
    tokens: Tokens | None = None
    """Most tokens of a micro-batch on one rank, padding included unless packed. None: an update is one micro-batch."""
    packed: bool = False
    """Lay sequences end to end instead of padding them to the longest."""
    logits: Tokens | None = None
    """At most as many logits exist at a time as so many tokens have. None: those of a whole micro-batch."""

    @model_validator(mode="after")
    def _torch_is_plain(self) -> "EngineConfig":
        if self.kind == "torch" and self.offload:
            raise ValueError("offload is for the engine 'deepspeed'")
        return self


class Regime(Record):
    """How far off-policy the updates are."""

    rollouts: Updates
    """Rollouts trained on."""
    minibatches: Updates
    """Updates per pass over a rollout."""
    epochs: Updates = 1
    """Passes over a rollout."""
    lag: UpdatesOrNone = 0
    """Rollouts between sampling and training: the age of what is trained on."""
    optimizer: Adam


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
    """Whether the policy is a published model, which transformers runs. Otherwise it is a compact one."""
    checkpoint_every: Updates
    """Rollouts between checkpoints that are kept for the learning curve."""
