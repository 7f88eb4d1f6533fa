"""Losses and gradients against numbers that public trainers agree on."""

import math

import pytest
import torch

from smoothgates.objective import policy_loss, update_diagnostics
from smoothgates.study import load_methods

from .fixture import LOSSES, MEAN_WEIGHT, METHODS_YAML, NAN, batch, padded


@pytest.fixture(scope="module")
def methods(tmp_path_factory):
    path = tmp_path_factory.mktemp("oracle") / "methods.yaml"
    path.write_text(METHODS_YAML)
    return load_methods(path)


@pytest.mark.parametrize("garbage", [0.0, 7.0, 100.0, -math.inf, math.inf, NAN])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_match_with_any_values_at_masked_positions(name, garbage, methods):
    tensors = batch(garbage)
    loss, _ = policy_loss(**tensors, method=methods[name])
    loss.backward()
    value, rows = LOSSES[name]
    expected = padded(rows)
    assert loss.item() == pytest.approx(value, abs=1e-10)  # to the printed digits
    torch.testing.assert_close(tensors["logp"].grad, expected, atol=1e-8, rtol=0)
    assert (tensors["logp"].grad[tensors["mask"] == 0] == 0).all()


@pytest.mark.parametrize("name", MEAN_WEIGHT)
def test_mean_gate_weight_matches(name, methods):
    _, terms = policy_loss(**batch(), method=methods[name])
    assert update_diagnostics(terms)["eur"].item() == pytest.approx(MEAN_WEIGHT[name], abs=1e-6)


def test_garbage_in_masked_per_token_advantages_changes_nothing(methods):
    plain = batch()
    expected, _ = policy_loss(**plain, method=methods["erf"])
    tensors = batch(NAN)
    advantage = tensors["advantage"].unsqueeze(1).expand(3, 5)
    tensors["advantage"] = advantage.where(tensors["mask"].bool(), torch.tensor(NAN, dtype=torch.float64))
    loss, _ = policy_loss(**tensors, method=methods["erf"])
    loss.backward()
    assert loss.item() == expected.item()
    assert tensors["logp"].grad.isfinite().all()
