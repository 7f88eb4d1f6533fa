"""The compact decoder's architecture as Hugging Face's config.json, and back."""

from typing import Any

from smoothgates.errors import BadInput
from smoothgates.specs.architecture import Architecture, ExpertsConfig

DENSE, SPARSE = "qwen2", "qwen3_moe"
"""Model types that the compact decoder implements."""


def config_of(arch: Architecture, end: int, pad: int) -> dict[str, Any]:
    """config.json of a compact policy. `end`, `pad`: ids of its end and padding tokens."""
    config = arch.model_dump(exclude={"experts"}) | {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": DENSE,
        "rope_parameters": {"rope_type": "default", "rope_theta": arch.rope_theta},
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "dtype": "float32",
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
    }
    if arch.experts:
        config |= {
            "architectures": ["Qwen3MoeForCausalLM"],
            "model_type": SPARSE,
            "head_dim": arch.head_size,
            "attention_bias": False,
            "num_experts": arch.experts.count,
            "num_experts_per_tok": arch.experts.chosen,
            "moe_intermediate_size": arch.experts.intermediate_size,
            "norm_topk_prob": True,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
        }
    return config


def architecture_of(config: dict[str, Any], where: str) -> Architecture:
    """The architecture in a config.json from `where`. Raises BadInput if the compact decoder does not support it."""
    kind, rope = config.get("model_type"), config.get("rope_parameters") or config.get("rope_scaling") or {}
    if kind not in (DENSE, SPARSE):
        raise BadInput(f"sampler.kind: 'torch' supports {DENSE} and {SPARSE}, {where} is {kind}: set it to 'vllm'")
    shape = {key: config[key] for key in Architecture.model_fields if key in config and key != "experts"}
    shape.setdefault("rope_theta", rope.get("rope_theta"))
    experts = None
    if kind == SPARSE:
        count = config.get("num_experts") or config["num_local_experts"]  # as Qwen and as transformers 5 write it
        chosen, inside = config["num_experts_per_tok"], config["moe_intermediate_size"]
        experts = ExpertsConfig(count=count, chosen=chosen, intermediate_size=inside)
    arch = Architecture(**shape, experts=experts)
    expected = {
        "head_dim": arch.head_size,
        "use_sliding_window": False,
        "hidden_act": "silu",
        **({"norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []} if experts else {}),
    }
    other = {key: config[key] for key, value in expected.items() if config.get(key) not in (None, value)}
    if rope.get("rope_type", "default") != "default":
        other |= {"rope_type": rope["rope_type"]}
    if other:
        key, value = next(iter(other.items()))
        raise BadInput(f"sampler.kind: 'torch' does not support {where}: its {key} is {value}: set it to 'vllm'")
    return arch
