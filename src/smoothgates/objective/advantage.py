"""Group-relative advantages: each completion against the others of its prompt."""

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to the standard deviation. The papers state none; verl's value. With G = 8 and 0/1 rewards the
smallest non-zero deviation is 0.35, so it never matters; groups of equal rewards are handled apart."""


def group_advantages(rewards: Tensor, kind: str = "zscore") -> Tensor:
    """Advantages (P, G) of rewards (P, G): P prompts with G completions each.

    `zscore`: (R − mean)/(std + 10⁻⁶) with the unbiased std of the group (GRPO, 2402.03300).
    `centered`: R − mean (Dr. GRPO, 2503.20783).
    A group whose rewards are all equal, a group of one included, gets exactly 0: rounding of the mean
    must not be blown up into a signal.

    >>> group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]))
    tensor([[ 0.8660, -0.8660, -0.8660,  0.8660],
            [ 0.0000,  0.0000,  0.0000,  0.0000]])
    """
    centered = rewards - rewards.mean(dim=1, keepdim=True)
    varies = rewards.amax(dim=1, keepdim=True) > rewards.amin(dim=1, keepdim=True)
    if kind == "zscore":
        # correction=1 would warn and give NaN for a group of one, which never varies.
        spread = centered.square().sum(dim=1, keepdim=True) / max(rewards.shape[1] - 1, 1)
        centered = centered / (spread.sqrt() + EPSILON)
    return centered.where(varies, torch.zeros_like(centered))
