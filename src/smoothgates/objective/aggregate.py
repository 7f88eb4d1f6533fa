"""Aggregation of per-token losses into one number: Σ share·loss / denominator.

The share depends on the token's own sequence only, the denominator on the whole optimiser step. This makes the loss
independent of how the step is split into micro-batches, ranks or packed rows; a normaliser that depends on the split is
the most common bug of public trainers.
"""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from smoothgates.methods.method import Method


def share_denominator(length: Tensor, method: "Method") -> Tensor | int:
    """Return by what the share of each token in its sequence of `length` (B, 1) tokens is divided.

    It is |y_i|, (B, 1), for `sequence_mean` (GRPO, GSPO, SAPO), 1 for `token_mean` (DAPO) and for `{constant: C}`
    (Dr. GRPO).
    """
    return length.clamp(min=1) if method.aggregation == "sequence_mean" else 1


def step_denominator(mask: Tensor, method: "Method") -> Tensor:
    """Return what a mask (B, T) adds to the denominator of its optimiser step, ().

    It is the number of sequences for `sequence_mean`, of tokens for `token_mean`, and sequences × C for
    `{constant: C}`. Sequences without a valid token do not count.

    >>> import torch
    >>> from smoothgates.methods.method import Method
    >>> mask = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    >>> [step_denominator(mask, Method(gate="none", aggregation=a)).item()
    ...  for a in ("sequence_mean", "token_mean", {"constant": 10})]
    [2, 4, 20]
    """
    return denominator_of(mask.bool().sum(dim=1), method)


def denominator_of(length: Tensor, method: "Method") -> Tensor:
    """As `step_denominator`, from the valid tokens of each sequence, of any shape."""
    if method.aggregation == "token_mean":
        return length.sum()
    sequences = (length > 0).sum()
    return sequences if method.aggregation == "sequence_mean" else sequences * method.aggregation.constant
