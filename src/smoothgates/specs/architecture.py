"""The shape of a compact policy."""

from typing import Annotated

from pydantic import Field, PositiveFloat, model_validator

from smoothgates.io.bounds import Layers, Tokens, Width
from smoothgates.io.records import Record


class ExpertsConfig(Record):
    """A mixture of experts instead of each layer's MLP."""

    count: Annotated[int, Field(ge=1, le=256)]
    """Experts in each layer."""
    chosen: Layers
    """Experts that the router chooses for each token."""
    intermediate_size: Width
    """Hidden width of one expert."""

    @model_validator(mode="after")
    def _enough(self) -> "ExpertsConfig":
        if self.chosen > self.count:
            raise ValueError(f"chosen: expected at most {self.count}, the number of experts, got {self.chosen}")
        return self


class Architecture(Record):
    """Shape of a compact policy, with Hugging Face's names: Qwen2, or Qwen3-MoE if it has experts."""

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
