"""A published model as a policy, run by transformers. No code of the model's own is ever executed."""

import importlib.util
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from smoothgates.errors import BadInput
from smoothgates.policy.experts import divide, unite
from smoothgates.policy.policy import Keep
from smoothgates.policy.routing import Route, Routes
from smoothgates.policy.weights import shapes

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel


class Transformer(nn.Module):
    """See `Policy`. The state dict has the names of the model's files, without a head that is tied to the input."""

    def __init__(self, causal: "PreTrainedModel"):
        super().__init__()
        reads, writes = causal.get_input_embeddings(), causal.get_output_embeddings()
        tied = reads.weight is writes.weight
        self.base = causal.base_model_prefix
        self.writes = next(name for name, module in causal.named_modules() if module is (reads if tied else writes))
        for name, module in causal.named_children():
            if module is not writes or not tied:
                self.add_module(name, module)
        routers = routers_of(causal)
        for layer, router in enumerate(routers):
            router.register_forward_hook(partial(self._route, layer))
        self.sparse_shape = (len(routers), routers[0].top_k) if routers else (0, 0)
        self.routes: Routes | None = None
        """Records or prescribes the experts of the next forward pass; set by `policy.routing.routing`."""
        self.latest: list[Route] = []
        """The latest forward pass, by layer. Layers that the backward pass recomputes use the same experts."""

    def _route(self, layer: int, router: nn.Module, _, output: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        """Hook on a layer's router: its logits, and the weights and ids of the experts to use."""
        if not self.latest:
            return output
        logits, _, choice = output
        self.latest[layer].record(choice)
        taken = self.latest[layer].prescribed()
        if taken is None:
            return output
        weights = logits.softmax(-1, dtype=torch.float32).gather(-1, taken)
        if router.norm_topk_prob:
            weights = weights / weights.sum(-1, keepdim=True)
        return logits, weights.to(logits.dtype), taken

    def hidden(self, ids: Tensor, keep: Keep | None = None) -> Tensor:
        layers, width = range(self.sparse_shape[0]), ids.shape[1]
        self.latest = [self.routes.of(layer, width, None) for layer in layers] if self.routes else []
        # Attention is causal, so padding after a row's end does not change the row.
        found = getattr(self, self.base)(input_ids=ids, use_cache=False).last_hidden_state
        return found if keep is None else keep(found)

    def packed(self, ids: Tensor, lengths: list[int]) -> Tensor:
        layers = range(self.sparse_shape[0])
        self.latest = [self.routes.packed(layer, lengths) for layer in layers] if self.routes else []
        # transformers separates sequences where positions start again at 0, and only without mask and cache.
        places = torch.cat([torch.arange(length, device=ids.device) for length in lengths]).unsqueeze(0)
        base = getattr(self, self.base)
        return base(input_ids=ids.unsqueeze(0), position_ids=places, use_cache=False).last_hidden_state[0]

    @property
    def head(self) -> Tensor:
        return self.get_submodule(self.writes).weight

    def checkpoint_gradients(self) -> None:
        """Recompute activations in the backward pass."""
        base = getattr(self, self.base)
        # The name since transformers 5.2x; the older name warns.
        enable = getattr(base, "activation_checkpointing_enable", base.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
        base.train()  # transformers recomputes in training mode only; there is no dropout


def load_transformer(folder: Path, dtype: str = "float32") -> Transformer:
    """The policy of a folder, with weights of this type.

    Raises BadInput if transformers does not know the model, or if the weights do not match config.json.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    config, stored = known_config(folder), shapes(folder)
    for key, value in config.to_dict().items():
        if "dropout" in key and isinstance(value, float):
            setattr(config, key, 0.0)  # ratios compare two passes over the same tokens, so these must agree
    try:
        causal, found = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, dtype),
            attn_implementation=attention(),
            use_safetensors=True,
            output_loading_info=True,
        )
    except (ValueError, RuntimeError) as error:
        raise BadInput(f"{folder}: transformers cannot load it ({' '.join(str(error).split())})") from None
    if lost := sorted(found["missing_keys"] | found["unexpected_keys"]):
        raise BadInput(f"{folder}: weights do not match config.json: {lost[0]}, {len(lost)} in all")
    if any(".experts.0." in name for name in stored):
        for module in causal.modules():
            if isinstance(getattr(module, "gate_up_proj", None), nn.Parameter):
                module.register_state_dict_post_hook(divide)
                module.register_load_state_dict_pre_hook(unite)
    policy = Transformer(causal)
    if renamed := sorted(policy.state_dict().keys() - stored.keys()):
        raise BadInput(
            f"{folder}: model_type {config.model_type}: cannot be saved under its own names: {renamed[0]} is new"
        )
    return policy


def routers_of(causal: "PreTrainedModel") -> list[nn.Module]:
    """The routers, by layer; empty if the model has none that can be recorded and prescribed."""
    if causal.config.model_type != "qwen3_moe":
        return []
    return [layer.mlp.gate for layer in causal.model.layers if hasattr(layer.mlp, "gate")]


def known_config(folder: Path) -> "PretrainedConfig":
    """config.json as transformers reads it. Raises BadInput if transformers does not know the model."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{folder / 'config.json'}: transformers cannot use it ({reason})") from None


def attention() -> str:
    """The attention implementation for transformers to use."""
    flash = torch.cuda.is_available() and importlib.util.find_spec("flash_attn")
    return "flash_attention_2" if flash else "sdpa"
