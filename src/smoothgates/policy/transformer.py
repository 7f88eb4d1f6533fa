"""A published model, run by transformers, as a policy. Its code is that of transformers alone, never the model's."""

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
    """See `Policy`. Its state dict has the names of the model's files; a head that is tied to the input has none."""

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
        """Notes and prescribes the experts of the next forward pass; `policy.routing.routing` sets it."""
        self.latest: list[Route] = []
        """By layer, of the latest forward pass: what is computed anew in its backward pass takes the same way."""

    def _route(self, layer: int, router: nn.Module, _, output: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        """What the router of a layer gives out: its logits, and weights and ids of the experts that are taken."""
        if not self.latest:
            return output
        logits, _, choice = output
        self.latest[layer].note(choice)
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
        # Attention is causal, so what follows a row's end changes nothing before it.
        found = getattr(self, self.base)(input_ids=ids, use_cache=False).last_hidden_state
        return found if keep is None else keep(found)

    def packed(self, ids: Tensor, lengths: list[int]) -> Tensor:
        layers = range(self.sparse_shape[0])
        self.latest = [self.routes.packed(layer, lengths) for layer in layers] if self.routes else []
        # Positions that begin anew are how transformers tells sequences apart, and only without mask and cache.
        places = torch.cat([torch.arange(length, device=ids.device) for length in lengths]).unsqueeze(0)
        base = getattr(self, self.base)
        return base(input_ids=ids.unsqueeze(0), position_ids=places, use_cache=False).last_hidden_state[0]

    @property
    def head(self) -> Tensor:
        return self.get_submodule(self.writes).weight

    def checkpoint_gradients(self) -> None:
        """Compute activations anew in the backward pass."""
        base = getattr(self, self.base)
        # Its name since transformers 5.2x; the older one warns.
        enable = getattr(base, "activation_checkpointing_enable", base.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
        base.train()  # transformers does it in training only; there is no dropout


def load_transformer(folder: Path, dtype: str = "float32") -> Transformer:
    """The policy of a folder, its weights of this type; BadInput unless transformers knows it, and all its weights."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    config, stored = known_config(folder), shapes(folder)
    for key, value in config.to_dict().items():
        if "dropout" in key and isinstance(value, float):
            setattr(config, key, 0.0)  # ratios compare two passes over the same tokens
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
        raise BadInput(f"{folder}: weights do not fit config.json: {lost[0]}, {len(lost)} in all")
    if any(".experts.0." in name for name in stored):
        for module in causal.modules():
            if isinstance(getattr(module, "gate_up_proj", None), nn.Parameter):
                module.register_state_dict_post_hook(divide)
                module.register_load_state_dict_pre_hook(unite)
    policy = Transformer(causal)
    if renamed := sorted(policy.state_dict().keys() - stored.keys()):
        raise BadInput(f"{folder}: model_type {config.model_type}: cannot be saved as it was: {renamed[0]} is new")
    return policy


def routers_of(causal: "PreTrainedModel") -> list[nn.Module]:
    """What chooses experts, by layer, where it is known how to note and prescribe the choice."""
    if causal.config.model_type != "qwen3_moe":
        return []
    return [layer.mlp.gate for layer in causal.model.layers if hasattr(layer.mlp, "gate")]


def known_config(folder: Path) -> "PretrainedConfig":
    """config.json as transformers reads it; BadInput for a model that transformers itself does not know."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{folder / 'config.json'}: transformers cannot use it ({reason})") from None


def attention() -> str:
    """How transformers computes attention."""
    flash = torch.cuda.is_available() and importlib.util.find_spec("flash_attn")
    return "flash_attention_2" if flash else "sdpa"
