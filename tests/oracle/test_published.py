"""Methods beyond the four papers against autograd of their published losses, written out once more, on random batches.

Each loss below is a number for each token of one sequence, with the factors that its publication holds fixed detached.
Sequences are computed one by one on their valid tokens only, so nothing here knows of padding.
"""

import math
import re
from pathlib import Path

import pytest
import torch

from smoothgates.methods.table import load_methods
from smoothgates.objective import group_advantages, policy_loss

METHODS = load_methods("config/methods.yaml")
F64 = torch.float64
SPREADS = (0.01, 0.3, 2.0, 15.0)
"""Largest |log r| of a batch; the loss lets 20 through."""


def whole(logp, old):
    """The ratio of the whole sequence, whose logarithm VESPO's code clamps to 20."""
    return (logp - old).sum().detach().clamp(-20, 20).exp()


def vespo(logp, old, a):
    k, rate = (2, 3) if a > 0 else (3, 2)
    w = whole(logp, old)
    return -(rate * (1 - w)).exp() * w**k * a * logp


def topr(logp, old, a):
    return -(1 if a > 0 else min(whole(logp, old), 1)) * a * logp


def gmpo(logp, old, a):
    clipped = (logp - old).clamp(max=0.4) if a > 0 else (logp - old).clamp(min=-0.4)
    return -clipped.mean().exp() * a * torch.ones_like(logp)


def luspo(logp, old, a):
    s = (logp - old).mean().exp()
    return -torch.minimum(s * a, s.clamp(1 - 0.002, 1 + 0.0025) * a) * torch.ones_like(logp)


def gppo(logp, old, a):
    r = (logp - old).exp()
    kept = torch.where(r > 1.28, 1.28 / r.detach() * r, r) if a > 0 else torch.where(r < 0.8, 0.8 / r.detach() * r, r)
    return -kept * a


def aspo(logp, old, a):
    r = (logp - old).exp()
    if a > 0:
        loss = -a * r / r.detach() ** 2
        return torch.where(1 / r > 3, -3 * a * logp, torch.where(r > 1.2, 0 * logp, loss))
    return torch.where(r > 3, -3 * a * logp, -a * r.clamp(min=0.8))


def spo(logp, old, a):
    r = (logp - old).exp()
    return -(r * a - abs(a) * (r - 1) ** 2 / (2 * 0.2))


def harmonic(logp, old, a):
    return -2 * ((logp - old).exp() + 1).log() * a


def cauchy(logp, old, a):
    return -2 * (logp - old).exp().atan() * a


def welsch(logp, old, a):
    r = (logp - old).exp()
    return -(-((r - 1) ** 2) / 2).exp().detach() * r * a


def dppo(divergence, bound):
    def loss(logp, old, a):
        new, before = logp.detach().exp(), old.exp()
        further = new > before if a > 0 else new < before
        lost = further & (divergence(new, before) > bound)
        return torch.where(lost, 0.0, -(logp - old).exp() * a)

    return loss


def total_variation(new, old):
    return ((new - old).abs() + ((1 - new) - (1 - old)).abs()) / 2


def kl(new, old):
    return old * (old / new).log() + (1 - old) * ((1 - old) / (1 - new)).log()


PUBLISHED = {loss.__name__: loss for loss in (vespo, topr, gmpo, luspo, gppo, aspo, spo, harmonic, cauchy, welsch)} | {
    "dppo_tv": dppo(total_variation, 0.15),
    "dppo_kl": dppo(kl, 0.05),
}


def random_batch(seed: int) -> dict[str, torch.Tensor]:
    """Ragged rows in groups of four, the last of equal rewards; one row is empty; garbage wherever masked."""
    generator = torch.Generator().manual_seed(seed)
    rows, width = 12, 9
    old = -4 * torch.rand(rows, width, generator=generator, dtype=F64) - 0.05
    change = SPREADS[seed % len(SPREADS)] * (2 * torch.rand(rows, width, generator=generator, dtype=F64) - 1)
    logp = (old + change).clamp(max=-0.01)
    lengths = torch.randint(1, width + 1, (rows,), generator=generator)
    lengths[5] = 0
    mask = torch.arange(width) < lengths.unsqueeze(1)
    rewards = torch.randint(0, 2, (rows // 4, 4), generator=generator).to(F64)
    rewards[0], rewards[-1] = torch.tensor([0, 1, 0, 0]), 1
    garbage = torch.tensor([math.nan, math.inf, -math.inf, 100.0], dtype=F64)[seed % 4]
    return {
        "logp": logp.where(mask, garbage),
        "old_logp": old.where(mask, garbage),
        "advantage": group_advantages(rewards).flatten(),
        "mask": mask,
    }


def published_gradient(name, logp, old_logp, advantage, mask):
    """The gradient of the aggregated loss by autograd."""
    leaves = [logp[i][mask[i]].clone().requires_grad_() for i in range(len(logp)) if mask[i].any()]
    olds = [old_logp[i][mask[i]] for i in range(len(logp)) if mask[i].any()]
    advantages = [a.item() for a, row in zip(advantage, mask, strict=True) if row.any()]
    losses = [PUBLISHED[name](*each) for each in zip(leaves, olds, advantages, strict=True)]
    aggregation = METHODS[name].aggregation
    if aggregation == "sequence_mean":
        loss = torch.stack([each.mean() for each in losses]).mean()
    elif aggregation == "token_mean":
        loss = torch.cat(losses).mean()
    else:
        loss = torch.stack([each.sum() for each in losses]).mean() / aggregation.constant
    gradient = torch.zeros_like(logp)
    gradient[mask] = torch.cat(torch.autograd.grad(loss, leaves))
    return gradient


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_gradient_is_that_of_the_published_loss(name, seed):
    batch = random_batch(seed)
    expected = published_gradient(name, **batch)
    batch["logp"].requires_grad_()
    loss, terms = policy_loss(**batch, method=METHODS[name])
    gradient = torch.autograd.grad(loss, batch["logp"])[0]
    assert loss.isfinite()
    assert all(each.isfinite().all() for each in terms)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)
    assert (gradient[-4:] == 0).all()  # a group of equal rewards


def test_every_method_beyond_the_four_papers_is_compared():
    """Clip-Cov's choice is a step's: tests/unit/test_masks.py."""
    section = Path("config/methods.yaml").read_text().split("# -- Beyond the four papers")[1].split("\n# --")[0]
    assert set(re.findall(r"(?m)^(\w+):", section)) == set(PUBLISHED) | {"clip_cov"}
