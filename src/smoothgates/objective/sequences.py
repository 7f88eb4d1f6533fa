"""Diagnostics of the sequences in one optimiser step: they say how far its tokens act as one, as GSPO's do."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from smoothgates.objective.diagnostics import TokenTerms
from smoothgates.objective.loss import gate_scale

if TYPE_CHECKING:
    from smoothgates.methods.method import Method

ROUNDING = 4
"""Errors in the last place of 1 that `sequence_gap_bounded` overlooks: mean weights near 1 are rounded by as much."""
SEQUENCE_DIAGNOSTICS = ("eur_by_prompt", "sequence_variance", "sequence_gap", "sequence_gap_bounded")
"""Names of the diagnostics."""


def sequence_diagnostics(terms: TokenTerms, prompt: Tensor, prompts: int, method: "Method") -> dict[str, Tensor]:
    """Return scalars over the sequences of a batch that have a valid token; NaN if there are none.

    `eur_by_prompt`: the token mean of f′ in each prompt's sequences, then the mean over prompts (2602.19345, eq 12).
    `sequence_variance`: Var_i, the variance of log r in a sequence. `sequence_gap`: D_i = |mean of f′(r_it) − f′(s_i)|,
    s_i the ratio of the sequence. `sequence_gap_bounded`: share of sequences with D_i ≤ (τ²/4)·Var_i (2511.20347, eq
    21), whose proof assumes log r ≈ r − 1; NaN unless the gate is SAPO's, the sigmoid. The last three are means over
    sequences.

    Args:
        terms: of B sequences.
        prompt: (B,) the prompt of each sequence, below `prompts`.
        method: whose gate the weights come from.
    """
    lr, valid = terms.log_ratio, terms.valid
    count = valid.sum(dim=1, keepdim=True)
    length = count.clamp(min=1)
    mean = lr.sum(dim=1, keepdim=True) / length
    variance = ((lr - mean) * valid).square().sum(dim=1, keepdim=True) / length
    weight = (terms.weight * valid).sum(dim=1, keepdim=True)
    positive = (terms.advantage > 0).any(dim=1, keepdim=True)
    ratio = mean.exp()
    scale = gate_scale(method, positive, ratio)
    gap = (weight / length - method.applied_gate().weight(ratio, scale, positive)).abs()
    bounded = gap <= scale.square() / 4 * variance + ROUNDING * torch.finfo(lr.dtype).eps
    if method.gate != "sigmoid":
        bounded = torch.full_like(gap, torch.nan)
    present = (count > 0).double()
    means = (torch.cat([variance, gap, bounded], dim=1) * present).sum(dim=0) / present.sum()
    # A product with ones and zeros, as sums by index are not the same twice on a GPU.
    own = (prompt == torch.arange(prompts, device=prompt.device)[:, None]).double()
    found, tokens = (own @ torch.cat([weight, count], dim=1).double()).unbind(dim=1)
    eur = (found / tokens.clamp(min=1)).sum() / (tokens > 0).sum()
    values = torch.cat([eur[None], means]).to(lr.dtype)
    return dict(zip(SEQUENCE_DIAGNOSTICS, values.unbind(), strict=True))
