"""The spec of `policy`: a policy before RL."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from smoothgates.io.bounds import Layers, Seed, Tokens, Width
from smoothgates.io.records import Record
from smoothgates.specs.fields import TaskName
from smoothgates.specs.optimizer import Supervised


class ExpertsConfig(Record):
    """A mixture of experts instead of each layer's MLP."""

    count: Annotated[int, Field(ge=1, le=256)]
    """Experts in each layer."""
    chosen: Layers
    """Experts of each token."""
    intermediate_size: Width
    """Intermediate size of one expert."""

    @model_validator(mode="after")
    def _enough(self) -> "ExpertsConfig":
        if self.chosen > self.count:
            raise ValueError(f"chosen: expected at most {self.count}, the number of experts, got {self.chosen}")
        return self


class Architecture(Record):
    """Shape of a compact policy, by Hugging Face's names: Qwen2, or Qwen3-MoE if it has experts."""

    vocab_size: Width
    hidden_size: Width
    intermediate_size: Width
    num_hidden_layers: Layers
    num_attention_heads: Layers
    num_key_value_heads: Layers
    max_position_embeddings: Tokens
    initializer_range: PositiveFloat = 0.02
    rms_norm_eps: PositiveFloat = 1.0e-6
    rope_theta: PositiveFloat = 10000.0
    experts: ExpertsConfig | None = None

    @model_validator(mode="after")
    def _heads_divide(self) -> "Architecture":
        if self.hidden_size % (2 * self.num_attention_heads) or self.num_attention_heads % self.num_key_value_heads:
            raise ValueError("hidden_size must be an even multiple of the heads, the heads a multiple of the kv heads")
        return self

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads


class Model(Record):
    """A published model to start from."""

    hub: str
    """Name on the hub, such as Qwen/Qwen2.5-7B-Instruct."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """Commit on the hub."""
    shrunk: Architecture | None = None
    """For rehearsals: shape of a stand-in with random weights, used instead of the model. Nothing is fetched."""


class PolicySpec(Record):
    """A policy before RL: trained on demonstrations, from random weights or from another policy; or published."""

    task: TaskName
    regime_name: Literal["control"] = "control"
    method_name: Literal["warm_start", "warm_start_moe", "sft"]
    seed: Seed
    architecture: Architecture | None
    """Shape of a policy that starts with random weights."""
    model: Model | None = None
    """The published model to use instead."""
    tokenizer: Literal["words", "bytes"]
    supervised: Supervised | None
