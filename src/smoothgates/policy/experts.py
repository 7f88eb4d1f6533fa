"""A mixture of experts instead of an MLP, as in Qwen3-MoE.

In memory the experts of a layer are two tensors, as in transformers. A state dict has one matrix for each projection of
each expert, as checkpoints have. Shapes: N tokens, H hidden, E experts, K chosen for each token, I intermediate.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothgates.policy.routing import Route
from smoothgates.specs.architecture import Architecture


class Router(nn.Module):
    """Scores experts by a softmax over all of them. The weights of a token's experts sum to 1."""

    def __init__(self, arch: Architecture):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(arch.experts.count, arch.hidden_size))
        self.chosen = arch.experts.chosen

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Experts (N, K) of states (N, H), their weights (N, K), and the router's choice (N, K).

        `given`: experts to use instead of the choice. Their weights are the router's, with its gradient.
        """
        scores = F.linear(x, self.weight).softmax(-1, dtype=torch.float32)
        choice = scores.topk(self.chosen, dim=-1).indices  # most likely first
        taken = choice if given is None else given
        weights = scores.gather(-1, taken)
        return taken, (weights / weights.sum(-1, keepdim=True)).to(x.dtype), choice


class Experts(nn.Module):
    """SwiGLU experts."""

    def __init__(self, arch: Architecture):
        super().__init__()
        count, inside, hidden = arch.experts.count, arch.experts.intermediate_size, arch.hidden_size
        self.gate_up_proj = nn.Parameter(torch.empty(count, 2 * inside, hidden))
        self.down_proj = nn.Parameter(torch.empty(count, hidden, inside))
        self.register_state_dict_post_hook(divide)
        self.register_load_state_dict_pre_hook(unite)

    def forward(self, x: Tensor, taken: Tensor, weights: Tensor) -> Tensor:
        """Σ_k weights_k · expert_k(x) (N, H) over the experts `taken` (N, K) of states x (N, H)."""
        visits = taken.flatten().argsort(stable=True)  # N·K of them, grouped by expert
        tokens = visits // taken.shape[1]
        ends = taken.flatten().bincount(minlength=len(self.down_proj)).cumsum(0, dtype=torch.int32)
        gate, up = self.matmul(x.index_select(0, tokens), self.gate_up_proj, ends).chunk(2, dim=-1)
        share = weights.flatten().index_select(0, visits).unsqueeze(1)
        return torch.zeros_like(x).index_add(0, tokens, self.matmul(F.silu(gate) * up * share, self.down_proj, ends))

    def matmul(self, x: Tensor, matrices: Tensor, ends: Tensor) -> Tensor:
        """Each row of x times its expert's matrix. Rows are grouped by expert; expert e's end at `ends[e]`."""
        return F.grouped_mm(x, matrices.to(x.dtype).transpose(1, 2), offs=ends)


class SparseMLP(nn.Module):
    """Router and experts."""

    def __init__(self, arch: Architecture):
        super().__init__()
        self.gate, self.experts = Router(arch), Experts(arch)

    def forward(self, x: Tensor, route: Route | None = None) -> Tensor:
        """The output (…, H) for states (…, H). `route` may prescribe the experts, and records the router's choice."""
        flat = x.flatten(0, -2)
        taken, weights, choice = self.gate(flat, route and route.prescribed())
        if route:
            route.record(choice)
        return self.experts(flat, taken, weights).view_as(x)


def divide(experts: Experts, state: dict[str, Tensor], prefix: str, _) -> None:
    """Split a state dict's two tensors into one matrix for each projection of each expert."""
    gate_up, down = state.pop(f"{prefix}gate_up_proj"), state.pop(f"{prefix}down_proj")
    for i, (both, back) in enumerate(zip(gate_up, down, strict=True)):
        for name, matrix in zip(("gate", "up", "down"), (*both.chunk(2), back), strict=True):
            state[f"{prefix}{i}.{name}_proj.weight"] = matrix


def unite(experts: Experts, state: dict[str, Tensor], prefix: str, *_) -> None:
    """The inverse of `divide`. Raises KeyError with the name of a missing matrix."""

    def stack(name: str) -> Tensor:
        return torch.stack([state.pop(f"{prefix}{i}.{name}_proj.weight") for i in range(len(experts.down_proj))])

    state[f"{prefix}gate_up_proj"] = torch.cat([stack("gate"), stack("up")], dim=1)
    state[f"{prefix}down_proj"] = stack("down")
