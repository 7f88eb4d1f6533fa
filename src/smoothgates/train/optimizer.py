"""AdamW through torch's functional kernel.

Constructing `torch.optim.AdamW` imports torch's compiler, which takes 1.2 CPU seconds, more than many rollouts of a
laptop run. This module calls the same fused kernel; a test checks that the results are equal to the bit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from smoothgates.specs.optimizer import Adam


class AdamW:
    """Decoupled weight decay (1711.05101) over all parameters of a policy."""

    def __init__(self, policy: nn.Module, config: Adam):
        self.config = config
        self.parameters = list(policy.parameters())
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]  # the kernel expects them there

    def gradients(self, loss: Tensor) -> tuple[list[Tensor], Tensor]:
        """Gradients of `loss`, clipped to the global norm `grad_clip`, and their norm before clipping, ()."""
        return self.clipped(torch.autograd.grad(loss, self.parameters))

    def clipped(self, gradients: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Gradients clipped to the global norm `grad_clip`, and their norm before clipping, ()."""
        norm = nn.utils.get_total_norm(gradients)
        scale = (self.config.grad_clip / (norm + 1e-6)).clamp(max=1.0)
        return [gradient * scale for gradient in gradients], norm

    @torch.no_grad()
    def step(self, gradients: list[Tensor], rate: float) -> None:
        """Take one step at `rate` times the peak learning rate."""
        beta1, beta2 = self.config.betas
        adamw(
            self.parameters,
            gradients,
            self.first,
            self.second,
            [],
            self.steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=self.config.lr * rate,
            weight_decay=self.config.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser state, by name."""
        kinds = {"first": self.first, "second": self.second, "steps": self.steps}
        return {f"{kind}.{i}": tensor for kind, own in kinds.items() for i, tensor in enumerate(own)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` returned."""
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])
