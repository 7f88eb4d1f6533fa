"""The norm is torch's, and so is its gradient."""

import pytest
import torch
import torch.nn.functional as F
from rounding import LAYER, assert_rounded, largest

from smoothgates.policy.norm import Norm, RmsNorm
from smoothgates.seeds import torch_stream


def problem(shape, dtype):
    generator = torch_stream(0, "norm")
    x = torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()
    weight = torch.randn(shape[-1], generator=generator, dtype=dtype).requires_grad_()
    return x, weight, torch.randn(shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize("shape", [(1, 2), (7, 64), (2, 3, 5, 16), (5, 3)])
def test_gradients_are_those_of_autograd(shape):
    x, weight, factors = problem(shape, torch.float32)
    ours, theirs = RmsNorm.apply(x, weight, 1e-6), F.rms_norm(x, weight.shape, weight, 1e-6)
    assert torch.equal(ours, theirs)
    for a, b in zip(*(torch.autograd.grad((y * factors).sum(), (x, weight)) for y in (ours, theirs)), strict=True):
        assert_rounded(a, b, LAYER, largest(b, factors))


def test_gradients_are_the_derivative():
    x, weight, _ = problem((3, 8), torch.double)
    assert torch.autograd.gradcheck(lambda x, weight: RmsNorm.apply(x, weight, 1e-6), (x, weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_results_are_the_same_with_and_without_a_gradient(dtype):
    x, _, _ = problem((7, 64), dtype)
    norm = Norm(64, dtype=dtype)
    with torch.no_grad():
        expected = norm(x)
    assert torch.equal(norm(x), expected)
    assert norm(x).requires_grad
