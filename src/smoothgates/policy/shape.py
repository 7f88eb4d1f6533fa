"""The size of a decoder, for the cost model."""

from dataclasses import dataclass
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.documents import load_json
from smoothgates.specs.architecture import Architecture
from smoothgates.specs.policy import Model


@dataclass(frozen=True)
class Shape:
    """The shape of a decoder with grouped queries and gated MLPs: Qwen2, Qwen3 or Qwen3-MoE.

    Qwen2 has biases on queries, keys and values. Qwen3 normalises queries and keys instead, and names its head size.
    """

    vocabulary: int
    hidden: int
    intermediate: int
    """Of the MLP, or of one expert."""
    layers: int
    heads: int
    kv_heads: int
    tied: bool = True
    """Whether the output matrix is the embedding."""
    head_size: int | None = None
    """For Qwen3. None: Qwen2, with hidden / heads."""
    experts: int = 1
    chosen: int = 1
    """Experts of each token."""

    @property
    def head(self) -> int:
        return self.head_size or self.hidden // self.heads

    @property
    def attention(self) -> int:
        """Parameters of one layer without its experts: attention, norms, router."""
        queries, kv = self.heads * self.head, self.kv_heads * self.head
        extra = 2 * self.head if self.head_size else queries + 2 * kv
        router = self.hidden * self.experts if self.experts > 1 else 0
        return 2 * self.hidden * (queries + kv) + extra + router + 2 * self.hidden

    @property
    def mlp(self) -> int:
        """Parameters of one expert."""
        return 3 * self.hidden * self.intermediate

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        return self.attention + self.experts * self.mlp

    @property
    def ends(self) -> int:
        """Parameters of the output matrix, which every token is multiplied by, and of the last norm."""
        return self.vocabulary * self.hidden + self.hidden

    @property
    def parameters(self) -> int:
        """
        >>> qwen = Shape(152064, 3584, 18944, layers=28, heads=28, kv_heads=4, tied=False)
        >>> round(qwen.parameters / 1e9, 2)
        7.62
        """
        return self.layers * self.layer + self.ends + (0 if self.tied else self.vocabulary * self.hidden)

    @property
    def used(self) -> int:
        """Parameters that a token is multiplied by: of the experts only its own. Looking up an embedding costs nothing.

        >>> round(KNOWN["Qwen/Qwen3-30B-A3B-Base"].used / 1e9, 1)
        3.0
        """
        return self.layers * (self.attention + self.chosen * self.mlp) + self.ends

    def touched(self, tokens: float) -> float:
        """Parameters read for a batch of this many tokens, if each chooses its experts at random."""
        missed = (1 - self.chosen / self.experts) ** max(tokens, 1)
        return self.layers * (self.attention + self.experts * (1 - missed) * self.mlp) + self.ends

    @property
    def cached(self) -> int:
        """Numbers of each token in the key-value cache."""
        return 2 * self.layers * self.kv_heads * self.head


_QWEN_7B = Shape(152064, 3584, 18944, layers=28, heads=28, kv_heads=4, tied=False)
_QWEN_3B = Shape(151936, 2048, 11008, layers=36, heads=16, kv_heads=2)
_QWEN_HALF = Shape(151936, 896, 4864, layers=24, heads=14, kv_heads=2)
_QWEN3_4B = Shape(151936, 2560, 9728, layers=36, heads=32, kv_heads=8, head_size=128)
_QWEN3_30B = Shape(151936, 2048, 768, layers=48, heads=32, kv_heads=4, tied=False, head_size=128, experts=128, chosen=8)

KNOWN: dict[str, Shape] = {
    "Qwen/Qwen2.5-0.5B-Instruct": _QWEN_HALF,
    "Qwen/Qwen2.5-1.5B-Instruct": Shape(151936, 1536, 8960, layers=28, heads=12, kv_heads=2),
    "Qwen/Qwen2.5-3B": _QWEN_3B,
    "Qwen/Qwen2.5-3B-Instruct": _QWEN_3B,
    "Qwen/Qwen2.5-7B-Instruct": _QWEN_7B,
    "Qwen/Qwen2.5-7B-Instruct-1M": _QWEN_7B,
    "Qwen/Qwen3-4B-Instruct-2507": _QWEN3_4B,
    "Qwen/Qwen3-30B-A3B-Base": _QWEN3_30B,
}
"""From their config.json."""


def shape_of(arch: Architecture) -> Shape:
    """The shape of a compact policy."""
    experts = arch.experts
    return Shape(
        vocabulary=arch.vocab_size,
        hidden=arch.hidden_size,
        intermediate=experts.intermediate_size if experts else arch.intermediate_size,
        layers=arch.num_hidden_layers,
        heads=arch.num_attention_heads,
        kv_heads=arch.num_key_value_heads,
        head_size=arch.head_size if experts else None,
        experts=experts.count if experts else 1,
        chosen=experts.chosen if experts else 1,
    )


def shape_of_model(model: Model, folders: list[Path]) -> Shape:
    """The shape of a published model, from the first config.json in these folders, else from `KNOWN`.

    Raises BadInput if neither has it.
    """
    if model.stand_in:
        return shape_of(model.stand_in)
    for folder in folders:
        if (folder / "config.json").exists():
            return shape_in(load_json(folder / "config.json"))
    if model.hub not in KNOWN:
        raise BadInput(f"model.hub: '{model.hub}': its shape is unknown: run its policy job, or set model_mirror")
    return KNOWN[model.hub]


def shape_in(config: dict) -> Shape:
    """The shape in a Hugging Face config.json."""
    experts = config.get("num_experts") or 1
    return Shape(
        vocabulary=config["vocab_size"],
        hidden=config["hidden_size"],
        intermediate=config["moe_intermediate_size" if experts > 1 else "intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        tied=config.get("tie_word_embeddings", False),
        head_size=config["head_dim"] if config["model_type"].startswith("qwen3") else None,
        experts=experts,
        chosen=config.get("num_experts_per_tok") or 1,
    )
