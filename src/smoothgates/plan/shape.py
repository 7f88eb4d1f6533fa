"""How large a policy is: what the cost model needs to know of a decoder."""

from dataclasses import dataclass

from smoothgates.specs import Architecture


@dataclass(frozen=True)
class Shape:
    """Of a decoder of Qwen2's kind: layers with grouped queries, biases on them, and a gated MLP."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    tied: bool = True
    """Whether the output matrix is the embedding."""

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        kv = self.hidden * self.kv_heads // self.heads
        attention = 2 * self.hidden * self.hidden + self.hidden + 2 * (self.hidden + 1) * kv
        return attention + 3 * self.hidden * self.intermediate + 2 * self.hidden

    @property
    def parameters(self) -> int:
        """
        >>> qwen = Shape(152064, 3584, 18944, layers=28, heads=28, kv_heads=4, tied=False)
        >>> round(qwen.parameters / 1e9, 2)
        7.62
        """
        return self.used + (0 if self.tied else self.vocabulary * self.hidden)

    @property
    def used(self) -> int:
        """Parameters that every token is multiplied with: looking up an untied embedding costs nothing."""
        return self.layers * self.layer + self.hidden + self.vocabulary * self.hidden

    @property
    def cached(self) -> int:
        """Numbers that a token leaves in the key-value cache."""
        return 2 * self.layers * self.hidden * self.kv_heads // self.heads


def shape_of(arch: Architecture) -> Shape:
    return Shape(
        vocabulary=arch.vocab_size,
        hidden=arch.hidden_size,
        intermediate=arch.intermediate_size,
        layers=arch.num_hidden_layers,
        heads=arch.num_attention_heads,
        kv_heads=arch.num_key_value_heads,
    )
