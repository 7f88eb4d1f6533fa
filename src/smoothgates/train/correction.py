"""Importance correction of sampled tokens for the difference between the sampler's and the trainer's rounding."""

import math

import torch
from torch import Tensor

from smoothgates.rollout.collect import Rollout


def correction_weights(rollout: Rollout, cap: float) -> Tensor:
    """Token weights min(π_trainer/π_sampler, cap), (N, W); 1 where masked. Uncapped, they remove the bias exactly."""
    return (rollout.old_logp - rollout.sampler_logp).exp().clamp(max=cap).where(rollout.mask, torch.ones(()))


def correction_metrics(rollout: Rollout, cap: float) -> dict[str, float]:
    """Mean weight of a token before and after the cap; the expectation of the first is 1."""
    if not rollout.mask.any():
        return {"correction_mean": 1.0, "correction_capped": 1.0}
    caps = {"correction_mean": math.inf, "correction_capped": cap}
    return {name: correction_weights(rollout, limit)[rollout.mask].mean().item() for name, limit in caps.items()}
