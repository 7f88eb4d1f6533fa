"""How far apart two ways to compute the same numbers may be: by rounding, and by nothing else.

Kernels differ in the order in which they add, and in whether they round a product before they add it: from processor to
processor, from one set of instructions to the next, and from shape to shape. So each sum on the way to a number (of a
matrix product, a norm, a softmax) may come out as a neighbour of what it is elsewhere: a unit in the last place of the
largest number in it. Two ways may end up as many such units apart as sums stand one behind the other. That count, the
type and the size of the numbers are all that the bounds below are made of: none was fitted to a machine. The faults
that they are there to tell from rounding (a sequence that sees another, a wrong denominator) show in the third digit.
"""

import math

import torch
from torch import Tensor

LAYER = 13
"""Norm; queries, keys and values; rotation; scores; softmax; mixture; output; residual; norm; gate and up; their
product; down; residual."""
HEAD = 5
"""Norm or product before it; logits; sum of a softmax; its logarithm; difference."""
FORWARD = 2 * LAYER + HEAD
"""From tokens to log-probabilities, in the tests' policies of two layers."""
BACKWARD = 3 * FORWARD
"""To gradients: there, and back with two products for each."""


def ulps(count: float, largest: float, dtype: torch.dtype = torch.float32) -> float:
    """So many units in the last place of a number as large as that."""
    return count * torch.finfo(dtype).eps * 2.0 ** math.floor(math.log2(largest))


APART = ulps(FORWARD, 7)
"""Two log-probabilities of one token, or a log-ratio and 0. Those of the tests' policies lie between -8 and 0."""
NEAR = APART + ulps(BACKWARD, 1)
"""Two gradients of one loss, relative to the largest: a probability is off in relation by what its logarithm is off."""


def largest(*tensors: Tensor) -> float:
    return max(tensor.detach().abs().max().item() for tensor in tensors)


def assert_rounded(found: Tensor, expected: Tensor, depth: int, size: float | None = None) -> None:
    """Fail if they are more units in the last place apart than sums stand one behind the other.

    `size`: of the largest number that is added on the way, where the result may be smaller.
    """
    bound = ulps(depth, size or largest(expected), expected.dtype)
    torch.testing.assert_close(found, expected, rtol=0, atol=bound)


def assert_gradients_rounded(found: list[Tensor], expected: list[Tensor]) -> None:
    """The same of the gradients of one loss, whose parts are added up from numbers as large as the largest of them."""
    bound = NEAR * largest(*expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=bound)
