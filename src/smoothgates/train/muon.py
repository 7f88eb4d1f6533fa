"""Muon (2502.16982) for the matrices of a policy's layers, AdamW for everything else.

Muon replaces the momentum of a matrix by the nearest semi-orthogonal matrix: every direction moves by the same amount,
not only those in which the gradient is large. A policy as small as the laptop's learns a task in half of the updates.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from smoothgates.policy.decoder import Decoder
from smoothgates.specs.supervised import SupervisedPhase
from smoothgates.train.optimizer import AdamW

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the iteration x → ax + bx³ + cx⁵ on singular values: it does not converge to 1, but comes near in few steps."""
ITERATIONS = 3
"""They take [0.02, 1] to [0.68, 1.20]."""


class Muon:
    """Takes the steps of a phase whose `matrices` are not None."""

    def __init__(self, policy: Decoder, phase: SupervisedPhase):
        assert phase.matrices is not None
        self.config = phase.matrices
        matrices = [p for p in policy.model.layers.parameters() if p.dim() > 1]
        inside = set(map(id, matrices))
        self.adamw = AdamW(nn.ParameterList(p for p in policy.parameters() if id(p) not in inside), phase.optimizer)
        self.matrices = sorted(matrices, key=lambda p: p.shape)
        self.momenta = [torch.zeros_like(torch.stack(group)) for group in same_shape(self.matrices)]

    def gradients(self, loss: Tensor) -> tuple[list[Tensor], Tensor]:
        """Gradients of `loss`, clipped to the global norm `grad_clip`, and their norm before clipping, ()."""
        return self.adamw.clipped(torch.autograd.grad(loss, [*self.adamw.parameters, *self.matrices]))

    @torch.no_grad()
    def step(self, gradients: list[Tensor], rate: float) -> None:
        """Take one step at `rate` times the peak learning rates."""
        others = len(self.adamw.parameters)
        self.adamw.step(gradients[:others], rate)
        steps: list[Tensor] = []
        for momentum, group in zip(self.momenta, same_shape(gradients[others:]), strict=True):
            gradient = torch.stack(group)
            momentum.lerp_(gradient, 1 - self.config.momentum)
            ahead = gradient.lerp(momentum, self.config.momentum)  # Nesterov's
            scale = max(1.0, ahead.shape[-2] / ahead.shape[-1]) ** 0.5
            steps += orthogonal(ahead).mul_(scale).unbind()
        torch._foreach_add_(self.matrices, steps, alpha=-self.config.lr * rate)


def same_shape(matrices: list[Tensor]) -> Iterator[list[Tensor]]:
    """Runs of neighbours with equal shapes, so that few large operations do for many small matrices."""
    first = 0
    for i in range(1, len(matrices) + 1):
        if i == len(matrices) or matrices[i].shape != matrices[first].shape:
            yield matrices[first:i]
            first = i


def orthogonal(matrices: Tensor) -> Tensor:
    """U Vᵀ, nearly, for each matrix U S Vᵀ of (…, rows, columns), of which there are several."""
    a, b, c = COEFFICIENTS
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if is_tall else matrices).flatten(0, -3)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)  # singular values are at most 1
    for _ in range(ITERATIONS):
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).reshape(matrices.shape)
