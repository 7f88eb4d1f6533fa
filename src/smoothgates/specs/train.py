"""Spec of `train`: one RL run."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from smoothgates.io.bounds import Samples, Seed, Tokens, Updates, UpdatesOrNone
from smoothgates.io.records import Record
from smoothgates.methods.method import Method
from smoothgates.specs.fields import TaskName
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol, SamplerConfig


class EngineConfig(Record):
    """The engine that computes gradients and takes optimizer steps."""

    kind: Literal["torch", "deepspeed"] = "torch"
    """`torch`: one process. `deepspeed`: one process for each GPU of the job."""
    zero: Literal[1, 2, 3] = 2
    """DeepSpeed's ZeRO stage. Sharded over the ranks are: 1: optimizer state, 2: also gradients, 3: also weights."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of weights and activations. Master weights and log-softmax are always in single precision."""
    offload: bool = False
    """Keep the optimizer state in main memory (DeepSpeed only)."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: a third more computation for a fraction of the memory."""
    tokens: Tokens | None = None
    """Most tokens of a micro-batch on one rank, padding included unless packed. None: one micro-batch per update."""
    packed: bool = False
    """Concatenate sequences instead of padding them to the longest one."""
    logits: Tokens | None = None
    """Compute logits for at most this many tokens at a time. None: for the whole micro-batch."""

    @model_validator(mode="after")
    def _torch_is_plain(self) -> "EngineConfig":
        if self.kind == "torch" and self.offload:
            raise ValueError("offload needs the engine 'deepspeed'")
        return self


class Regime(Record):
    """The schedule of an RL run, which decides how far off-policy its updates are."""

    rollouts: Updates
    """Number of rollouts in the run."""
    minibatches: Updates
    """Updates in each pass over a rollout."""
    epochs: Updates = 1
    """Passes over each rollout."""
    lag: UpdatesOrNone = 0
    """Age of the samples, in rollouts, when they are trained on."""
    noise: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Standard deviation, in nats, of Gaussian noise on the old log-probabilities: a sampler that computes others."""
    start: Seed | None = None
    """The seed of the policy that all runs start from. None: each starts from the policy of its own seed."""
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
    """Whether the policy is a published model, which transformers runs. Otherwise it is a compact one."""
    checkpoint_every: Updates
    """Number of rollouts between the checkpoints that are kept for the learning curve."""
