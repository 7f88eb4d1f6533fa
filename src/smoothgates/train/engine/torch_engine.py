"""The engine of a single process, with torch only."""

import torch
from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.logprob import Scorer
from smoothgates.policy.policy import Policy
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.train import EngineConfig
from smoothgates.train.optimizer import AdamW


class TorchEngine:
    """See `Engine`. Weights are in single precision; with bfloat16, only matrix products are in half precision."""

    def __init__(self, policy: Policy, spec: EngineConfig, adam: Adam, ranks: Ranks, device: str = "cpu"):
        self.policy, self.ranks, self.device = policy.to(device), ranks, torch.device(device)
        self.half = spec.dtype == "bfloat16"
        if spec.gradient_checkpointing:
            policy.checkpoint_gradients()
        self.scorer = Scorer(policy, spec.packed, spec.logits)
        self.optimizer = AdamW(policy, adam)
        self.gradients: list[Tensor] | None = None

    def score(self, ids: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            return self.scorer(ids.to(self.device), starts.to(self.device), lengths.to(self.device))

    def backward(self, loss: Tensor, last: bool) -> None:
        found = torch.autograd.grad(loss, self.optimizer.parameters)
        if self.gradients is None:
            self.gradients = list(found)
        else:
            torch._foreach_add_(self.gradients, found)

    @torch.no_grad()
    def step(self, rate: float) -> float:
        gradients, norm = self.optimizer.clipped(self.gradients)
        self.gradients = None
        if norm.isfinite():
            self.optimizer.step(gradients, rate)
        return norm.item()

    def weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu() for name, tensor in self.policy.state_dict().items()}

    def tensors(self) -> dict[str, Tensor]:
        policy = {f"policy.{name}": tensor for name, tensor in self.policy.state_dict().items()}
        return policy | {f"optimizer.{name}": tensor for name, tensor in self.optimizer.tensors().items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        def under(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

        self.policy.load_state_dict(under("policy."))
        self.optimizer.load(under("optimizer."))
