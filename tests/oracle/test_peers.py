"""Methods beyond the four papers against the numbers of their published code."""

import math

import pytest
import torch

from smoothgates.methods.method import Covariance
from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss
from smoothgates.objective.masks import covariance_mask

from .fixture import NAN, padded
from .peers import COVARIANCE_KEEPS, GRADIENTS, VALUES, batch

METHODS = load_methods("config/methods.yaml")
OTHER_AGGREGATION = {"harmonic", "cauchy", "welsch"}
"""Methods without a paper: the row has our default, their numbers are token means."""


def loss_and_gradient(name, garbage):
    method, tensors = METHODS[name], batch(garbage)
    if name in OTHER_AGGREGATION:
        method = method.model_copy(update={"aggregation": "token_mean"})
    loss, _ = policy_loss(**tensors, method=method)
    return loss.item(), torch.autograd.grad(loss, tensors["logp"])[0]


@pytest.mark.parametrize("garbage", [0.0, 100.0, -math.inf, math.inf, NAN])
@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_is_that_of_the_published_code(name, garbage):
    _, gradient = loss_and_gradient(name, garbage)
    torch.testing.assert_close(gradient, padded(GRADIENTS[name]), atol=2e-9, rtol=0)


@pytest.mark.parametrize("name", VALUES)
def test_the_loss_is_that_of_the_published_code(name):
    value, _ = loss_and_gradient(name, NAN)
    assert value == pytest.approx(VALUES[name], abs=2e-8)  # cauchy: the code adds 1e-8 to a divisor


def test_clip_cov_takes_the_gradient_from_the_tokens_of_verl():
    """All tokens in the window: verl's choice of some of them is random, as ours is."""
    tensors = batch()
    valid, advantage = tensors["mask"].bool(), tensors["advantage"].unsqueeze(1)
    mask = Covariance(kind="covariance", share=1.0, window=(0.1, 0.9))
    keep = covariance_mask(tensors["old_logp"], advantage, valid, mask, torch.Generator().manual_seed(0))
    assert torch.equal(keep * valid, padded(COVARIANCE_KEEPS))
