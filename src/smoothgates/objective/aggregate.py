"""How per-token losses become one number: Σ share·loss / denominator.

The share is a token's part within its own sequence; the denominator belongs to the whole optimiser
step. Keeping the two apart makes the loss independent of how the step is cut into micro-batches, ranks or
packed rows: the commonest real bug of public trainers is a normaliser that depends on the split.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from smoothgates.methods.method import Method


def token_shares(mask: Tensor, method: "Method", dtype: torch.dtype = torch.float32) -> Tensor:
    """Share (B, T) of each token within its sequence; 0 where masked.

    1/|y_i| for `sequence_mean` (GRPO, GSPO, SAPO), 1 for `token_mean` (DAPO) and for `{constant: C}` (Dr. GRPO).
    """
    shares = mask.to(dtype)
    if method.aggregation == "sequence_mean":
        shares = shares / shares.sum(dim=1, keepdim=True).clamp(min=1)
    return shares


def step_denominator(mask: Tensor, method: "Method") -> Tensor:
    """What this mask (B, T) adds to the denominator of its optimiser step; sum it over micro-batches and ranks.

    Number of sequences for `sequence_mean`, of tokens for `token_mean`, sequences × C for `{constant: C}`.
    Sequences without a single valid token do not count.

    >>> from smoothgates.methods.method import Method
    >>> mask = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    >>> [step_denominator(mask, Method(gate="none", aggregation=a)).item()
    ...  for a in ("sequence_mean", "token_mean", {"constant": 10})]
    [2, 4, 20]
    """
    if method.aggregation == "token_mean":
        return mask.bool().sum()
    sequences = mask.bool().any(dim=1).sum()
    return sequences if method.aggregation == "sequence_mean" else sequences * method.aggregation.constant
