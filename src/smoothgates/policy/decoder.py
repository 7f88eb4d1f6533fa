"""A compact decoder: Qwen2, or Qwen3-MoE if it has experts, with transformers' numbers and names.

Importing transformers' Qwen2 takes more CPU time than a laptop run's whole training, and the study starts over a
hundred processes. Names are Hugging Face's, so a state dict is a checkpoint. Tests compare the logits with
transformers' within 10⁻⁶. Shapes: B sequences, T tokens, H hidden, S cache slots.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from smoothgates.policy.attention import isolated
from smoothgates.policy.experts import SparseMLP
from smoothgates.policy.norm import Norm
from smoothgates.policy.policy import Keep
from smoothgates.policy.routing import Route, Routes
from smoothgates.specs.architecture import Architecture


class Cache:
    """Keys and values of the tokens so far: for each layer two tensors (B, kv heads, S, head size)."""

    def __init__(self, arch: Architecture, batch: int, slots: int):
        shape = (batch, arch.num_key_value_heads, slots, arch.head_size)
        self.keys = [torch.zeros(shape) for _ in range(arch.num_hidden_layers)]
        self.values = [torch.zeros(shape) for _ in range(arch.num_hidden_layers)]

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, or repeat them."""
        self.keys = [k[rows] for k in self.keys]
        self.values = [v[rows] for v in self.values]

    def attend(self, layer: int, start: int, bias: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Store keys and values (B, kv heads, T, D) in the slots from `start`, and return the attention of the queries
        (B, heads, T, D) to all slots so far. `bias`, broadcastable to (B, 1, 1, T, start + T), is added to the scores.
        """
        batch, heads, length, size = q.shape
        kv_heads, end = k.shape[1], start + length
        keys, values = self.keys[layer], self.values[layer]
        keys[:, :, start:end], values[:, :, start:end] = k, v
        # Queries that share a key head are stacked: one matmul for each key head is faster here than SDPA.
        group = heads // kv_heads
        q = q.reshape(batch, kv_heads, group * length, size) * size**-0.5
        scores = (q @ keys[:, :, :end].transpose(2, 3)).view(batch, kv_heads, group, length, end) + bias
        out = scores.softmax(-1).view(batch, kv_heads, group * length, end) @ values[:, :, :end]
        return out.view(batch, heads, length, size)


Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention (B, heads, T, D) of queries, keys and values of new tokens, to what they may see."""


class Attention(nn.Module):
    """Grouped-query attention with rotary positions. Qwen2 has biases, Qwen3 normalises queries and keys."""

    def __init__(self, arch: Architecture):
        super().__init__()
        size, self.head_size = arch.hidden_size, arch.head_size
        self.heads, self.kv_heads = arch.num_attention_heads, arch.num_key_value_heads
        kv_size = self.kv_heads * arch.head_size
        qwen2 = arch.experts is None
        self.q_proj = nn.Linear(size, size, bias=qwen2)
        self.k_proj = nn.Linear(size, kv_size, bias=qwen2)
        self.v_proj = nn.Linear(size, kv_size, bias=qwen2)
        self.o_proj = nn.Linear(size, size, bias=False)
        if not qwen2:
            self.q_norm = Norm(arch.head_size, eps=arch.rms_norm_eps)
            self.k_norm = Norm(arch.head_size, eps=arch.rms_norm_eps)
        self.normed = not qwen2

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
        batch, length, size = x.shape
        q = self.q_proj(x).view(batch, length, self.heads, self.head_size)
        k = self.k_proj(x).view(batch, length, self.kv_heads, self.head_size)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_size)
        if self.normed:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = rotate(q, *rotary), rotate(k, *rotary)
        out = attend(*(each.transpose(1, 2) for each in (q, k, v)))
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, size))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, arch: Architecture):
        super().__init__()
        self.gate_proj = nn.Linear(arch.hidden_size, arch.intermediate_size, bias=False)
        self.up_proj = nn.Linear(arch.hidden_size, arch.intermediate_size, bias=False)
        self.down_proj = nn.Linear(arch.intermediate_size, arch.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Pre-norm residual block."""

    def __init__(self, arch: Architecture):
        super().__init__()
        self.self_attn = Attention(arch)
        self.mlp = SparseMLP(arch) if arch.experts else MLP(arch)
        self.input_layernorm = Norm(arch.hidden_size, eps=arch.rms_norm_eps)
        self.post_attention_layernorm = Norm(arch.hidden_size, eps=arch.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        rotary: tuple[Tensor, Tensor],
        attend: Attend,
        keep: Keep | None = None,
        route: Route | None = None,
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotary, attend)
        x = x if keep is None else keep(x)
        normed = self.post_attention_layernorm(x)
        return x + (self.mlp(normed) if route is None else self.mlp(normed, route))


class Decoder(nn.Module):
    """The decoder. `hidden` and `logits` are separate, so that logits are computed only where they are needed."""

    def __init__(self, arch: Architecture, tied: bool = True):
        """`tied`: the output matrix is the embedding."""
        super().__init__()
        self.arch = arch
        self.lm_head = None if tied else nn.Linear(arch.hidden_size, arch.vocab_size, bias=False)
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(arch.vocab_size, arch.hidden_size)
        self.model.layers = nn.ModuleList(Layer(arch) for _ in range(arch.num_hidden_layers))
        self.model.norm = Norm(arch.hidden_size, eps=arch.rms_norm_eps)
        half = torch.arange(0, arch.head_size, 2, dtype=torch.float32) / arch.head_size
        angles = torch.outer(torch.arange(arch.max_position_embeddings).float(), arch.rope_theta**-half)
        # (positions, 1, head size), with the signs that `rotate` needs.
        self.register_buffer("cos", torch.cat([angles.cos(), angles.cos()], dim=1).unsqueeze(1), persistent=False)
        self.register_buffer("sin", torch.cat([-angles.sin(), angles.sin()], dim=1).unsqueeze(1), persistent=False)
        self.routes: Routes | None = None
        """Records or prescribes the experts of the next forward pass; set by `policy.routing.routing`."""
        self.recomputes = False
        """Whether the backward pass recomputes activations."""

    def initialise(self, generator: torch.Generator) -> "Decoder":
        """N(0, initializer_range²) for every matrix, zero biases, unit norms: Hugging Face's initialisation."""
        for name, parameter in self.named_parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, std=self.arch.initializer_range, generator=generator)
            else:
                nn.init.constant_(parameter, 1.0 if "norm" in name else 0.0)
        return self

    def hidden(
        self,
        ids: Tensor,
        keep: Keep | None = None,
        cache: Cache | None = None,
        start: int = 0,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Final hidden states (B, T, H) of token ids (B, T).

        `keep` selects positions, (B, T, H) → (…, H): the last layer computes no others. Without a cache, attention is
        causal over the row, so right padding needs no mask. With a cache, the tokens take the slots from `start`, and
        `bias`, broadcastable to (B, 1, 1, T, start + T), is added to the scores.
        """
        x = self.model.embed_tokens(ids)
        end = start + ids.shape[1]
        rotary = self.cos[start:end], self.sin[start:end]
        last = len(self.model.layers) - 1
        for i, layer in enumerate(self.model.layers):
            attend = causal if cache is None else partial(cache.attend, i, start, bias)
            kept = keep if i == last else None
            x = self.run(layer)(x, rotary, attend, kept, self.routes and self.routes.of(i, ids.shape[1], kept))
        return self.model.norm(x)

    def packed(self, ids: Tensor, lengths: list[int]) -> Tensor:
        """Final hidden states (N, H) of packed sequences (N,) of these lengths, which do not see each other."""
        places = torch.cat([torch.arange(length, device=ids.device) for length in lengths])
        return self.flat(ids, places, partial(isolated, lengths=lengths), lengths)

    def flat(self, ids: Tensor, places: Tensor, attend: Attend, lengths: list[int] | None = None) -> Tensor:
        """Final hidden states (N, H) of tokens (N,) at these positions (N,), which see each other as `attend` says.

        `lengths`: of the sequences that lie end to end, to find the experts of their tokens.
        """
        x, rotary = self.model.embed_tokens(ids).unsqueeze(0), (self.cos[places], self.sin[places])
        for i, layer in enumerate(self.model.layers):
            route = self.routes.packed(i, lengths) if self.routes and lengths else None
            x = self.run(layer)(x, rotary, attend, route=route)
        return self.model.norm(x)[0]

    def checkpoint_gradients(self) -> None:
        """Recompute activations in the backward pass, so that only one layer's exist at a time."""
        self.recomputes = True

    def run(self, layer: Layer) -> Callable[..., Tensor]:
        return partial(checkpoint, layer, use_reentrant=False, preserve_rng_state=False) if self.recomputes else layer

    @property
    def sparse_shape(self) -> tuple[int, int]:
        """Layers with experts, and experts of each token: (L, K), or (0, 0) without experts."""
        return (self.arch.num_hidden_layers, self.arch.experts.chosen) if self.arch.experts else (0, 0)

    @property
    def head(self) -> Tensor:
        """The output matrix (V, H)."""
        return (self.lm_head or self.model.embed_tokens).weight

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., vocabulary) of hidden states (..., H)."""
        return F.linear(hidden, self.head)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of each token of a row to itself and those before it."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions to (B, T, heads, head size), in the convention of two halves (a, b).

    They become (a·cos − b·sin, b·cos + a·sin). `cos`, `sin`: (T, 1, head size), with −sin in the first half.
    """
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin).to(x.dtype)
