"""Extreme inputs in single precision, for which public trainers return NaN, ∞ or 5e21."""

import math

import pytest
import torch
from rounding import ulps

from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss, update_diagnostics

METHODS = load_methods("config/methods.yaml")
HOSTILE = [-100.0, -25.0, 25.0, 89.0, 100.0, 1e30, math.inf, -math.inf, math.nan]


def run(log_ratio, advantage, mask, method, logp=None):
    log_ratio = torch.tensor(log_ratio)
    logp = torch.full_like(log_ratio, -0.7) if logp is None else torch.tensor(logp)
    old = logp - log_ratio
    logp.requires_grad_()
    loss, terms = policy_loss(logp, old, torch.tensor(advantage), torch.tensor(mask), METHODS[method])
    loss.backward()
    return loss.item(), logp.grad, update_diagnostics(terms)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("advantage", [1.0, -1.0, 0.0])
@pytest.mark.parametrize("value", HOSTILE)
def test_a_valid_extreme_token_is_finite_and_counted(value, advantage, method):
    loss, gradient, diagnostics = run([[0.1, value]], [advantage], [[1, 1]], method)
    assert math.isfinite(loss)
    assert gradient.isfinite().all()
    assert gradient[0, 1] == 0
    assert diagnostics["clamped"].item() == 0.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_masked_extreme_token_changes_nothing(value, method):
    hostile = run([[0.1, value], [0.2, 0.0]], [1.0, -1.0], [[1, 0], [1, 1]], method)
    benign = run([[0.1, 0.0], [0.2, 0.0]], [1.0, -1.0], [[1, 0], [1, 1]], method)
    assert hostile[0] == benign[0]
    assert torch.equal(hostile[1], benign[1])
    assert hostile[2]["clamped"] == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("logp", [-math.inf, math.nan])
def test_a_log_probability_that_is_not_finite_leaves_the_loss(logp, method):
    loss, gradient, _ = run([[0.1, 0.0]], [1.0], [[1, 1]], method, logp=[[-0.7, logp]])
    assert math.isfinite(loss)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_zero_advantage_gives_zero(method):
    loss, gradient, _ = run([[0.1, 3.0]], [0.0], [[1, 1]], method)
    assert loss == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_fully_masked_row_leaves_the_denominator(method):
    both = run([[0.0, 0.0], [0.3, 0.3]], [1.0, 1.0], [[1, 1], [0, 0]], method)
    alone = run([[0.0, 0.0]], [1.0], [[1, 1]], method)
    assert both[0] == pytest.approx(alone[0])
    torch.testing.assert_close(both[1][:1], alone[1])


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_step_is_zero(method):
    loss, gradient, _ = run([[0.5, 100.0]], [1.0], [[0, 0]], method)
    assert loss == 0
    assert (gradient == 0).all()


def test_softsign_keeps_its_sign_where_autograd_loses_it():
    # Autograd through f in single precision gives −8e-8 here; the truth is positive: φ·Â/denominator = 2e-9.
    _, gradient, _ = run([[10.0]], [1.0], [[1]], "softsign")
    truth = math.exp(10) * (1 + (10 * (math.exp(10) - 1)) ** 2) ** -1.5
    # φ falls with the square of r, so its error is twice that of the log-ratio of 10, plus that of a power.
    assert -gradient.item() == pytest.approx(truth, rel=ulps(8, 10))


@pytest.mark.parametrize("method", METHODS)
def test_no_rows_give_a_loss_of_zero_with_a_gradient(method):
    """An idle rank needs a loss to run its backward pass on."""
    logp, none = torch.zeros(1, 3, requires_grad=True), torch.zeros(0, 3)
    loss, _ = policy_loss(logp[:0], none, none, none, METHODS[method], 4.0)
    loss.backward()
    assert loss == 0
    assert (logp.grad == 0).all()
