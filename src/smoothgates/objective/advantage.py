"""Group-relative advantages: each completion is compared with the others of its prompt."""

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to the standard deviation; verl's value, as the papers state none. It hardly matters: with G = 8 and 0/1
rewards, the smallest deviation other than 0 is 0.35. Groups of equal rewards are handled separately."""


def group_advantages(rewards: Tensor, kind: str = "zscore") -> Tensor:
    """Return the advantages (P, G) of rewards (P, G), for P prompts with G completions each.

    `zscore`: (R − mean)/(std + 10⁻⁶) with the unbiased std of the group (GRPO, 2402.03300).
    `centered`: R − mean (Dr. GRPO, 2503.20783).

    If the rewards of a group are all equal, its advantages are exactly 0: dividing by the standard deviation must not
    amplify the rounding of the mean. A group of one completion is such a group.

    >>> group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]))
    tensor([[ 0.8660, -0.8660, -0.8660,  0.8660],
            [ 0.0000,  0.0000,  0.0000,  0.0000]])
    """
    centered = rewards - rewards.mean(dim=1, keepdim=True)
    varies = rewards.amax(dim=1, keepdim=True) > rewards.amin(dim=1, keepdim=True)
    if kind == "zscore":
        # Not torch.std: it warns and returns NaN for a group of one.
        spread = centered.square().sum(dim=1, keepdim=True) / max(rewards.shape[1] - 1, 1)
        centered = centered / (spread.sqrt() + EPSILON)
    return centered.where(varies, torch.zeros_like(centered))
