"""The decoder's pass over one token of each row, with as few operations as possible.

With some hundred rows, a small policy spends as much time between operations as in them. So matrices that multiply the
same states are joined, transposed and multiplied by the weight of the norm before them, once for all tokens.
Shapes: B rows, H hidden, D head size, V vocabulary.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothgates.policy.decoder import Cache, Decoder, Layer, rotate


class NextToken:
    """A snapshot of a decoder's weights."""

    def __init__(self, policy: Decoder):
        self.policy = policy
        self.floor = torch.tensor((policy.arch.hidden_size * policy.arch.rms_norm_eps) ** 0.5)
        self.layers = [NextTokenLayer(layer, self.floor) for layer in policy.model.layers]
        self.head = joined(policy.model.norm, policy.head)

    def logits(self, ids: Tensor, slot: int, bias: Tensor, cache: Cache, rows: Tensor) -> Tensor:
        """Logits (n, V) after the tokens (B,) that take this slot of the cache, for n of the rows."""
        policy, at = self.policy, slice(slot, slot + 1)
        rotary = policy.cos[at], policy.sin[at]
        x = policy.model.embed_tokens(ids)
        for i, layer in enumerate(self.layers):
            x = layer(x, rotary, lambda q, k, v, i=i: cache.attend(i, slot, bias, q, k, v))
        return normed(x[rows], self.floor) @ self.head


class NextTokenLayer:
    """See `decoder.Layer`."""

    def __init__(self, layer: Layer, floor: Tensor):
        """`floor`: see `normed`."""
        attention, self.floor = layer.self_attn, floor
        self.attention, self.mlp, self.norm = attention, layer.mlp, layer.post_attention_layernorm
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.qkv = joined(layer.input_layernorm, *(p.weight for p in projections))
        self.bias = torch.cat([p.bias for p in projections]) if projections[0].bias is not None else None
        self.out = attention.o_proj.weight.t().contiguous()
        self.dense = hasattr(layer.mlp, "gate_proj")
        if self.dense:
            self.gate_up = joined(self.norm, layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight)
            self.down = layer.mlp.down_proj.weight.t().contiguous()

    def __call__(self, x: Tensor, rotary: tuple[Tensor, Tensor], past: Callable[..., Tensor]) -> Tensor:
        """States (B, H) after the layer. `rotary`: cosine and sine of the position."""
        heads, kv_heads, size = self.attention.heads, self.attention.kv_heads, self.attention.head_size
        x_normed = normed(x, self.floor)
        qkv = x_normed @ self.qkv if self.bias is None else torch.addmm(self.bias, x_normed, self.qkv)
        qkv = qkv.view(len(x), -1, size)
        qk, v = qkv[:, : heads + kv_heads], qkv[:, heads + kv_heads :]
        if self.attention.normed:
            qk = torch.cat([self.attention.q_norm(qk[:, :heads]), self.attention.k_norm(qk[:, heads:])], dim=1)
        qk = rotate(qk, *rotary).unsqueeze(2)
        out = past(qk[:, :heads], qk[:, heads:], v.unsqueeze(2))
        x = torch.addmm(x, out.reshape(len(x), -1), self.out)
        if not self.dense:
            return x + self.mlp(self.norm(x))
        gate, up = (normed(x, self.floor) @ self.gate_up).chunk(2, dim=-1)
        return torch.addmm(x, F.silu(gate) * up, self.down)


def normed(x: Tensor, floor: Tensor) -> Tensor:
    """States (…, H) divided by their length: RMSNorm but for its weight and a factor √H. `floor`: √(H·ε).

    In three operations instead of six.
    """
    return x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), floor)


def joined(norm: nn.RMSNorm, *matrices: Tensor) -> Tensor:
    """One matrix (H, ΣO) of those (O, H) that multiply the norm's output: their products are `normed(x) @` it."""
    return (torch.cat(matrices) * (norm.weight * len(norm.weight) ** 0.5)).t().contiguous()
