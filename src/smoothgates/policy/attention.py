"""Causal attention within packed sequences, which lie end to end in one row and do not see each other."""

import torch
import torch.nn.functional as F
from torch import Tensor


def isolated(q: Tensor, k: Tensor, v: Tensor, lengths: list[int]) -> Tensor:
    """Attention (1, heads, N, D) of N tokens in sequences of these lengths. k and v may have fewer heads than q."""
    if v.is_cuda and v.dtype in (torch.float16, torch.bfloat16):
        return one_kernel(q.to(v.dtype), k.to(v.dtype), v, lengths)
    parts = zip(*(each.split(lengths, dim=2) for each in (q, k, v)), strict=True)
    return torch.cat([F.scaled_dot_product_attention(*part, is_causal=True, enable_gqa=True) for part in parts], dim=2)


def one_kernel(q: Tensor, k: Tensor, v: Tensor, lengths: list[int]) -> Tensor:
    """As `isolated`, by flash attention, which supports half precision only."""
    from torch.nn.attention.varlen import varlen_attn

    ends = F.pad(torch.tensor(lengths, device=q.device).cumsum(0), (1, 0)).int()
    q, k, v = (each[0].transpose(0, 1) for each in (q, k, v))
    longest = max(lengths)
    out = varlen_attn(q, k, v, ends, ends, longest, longest, window_size=(-1, 0), enable_gqa=True)
    return out.transpose(0, 1).unsqueeze(0)
