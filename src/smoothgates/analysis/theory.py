"""Claims of theory, checked numerically: one function for each, by its name in config/claims.yaml.

No policy takes part. Most return the largest error that they find, which must stay below a tolerance. They need torch,
so `gates` runs them; `analyse`, which loads no torch, reads what they found.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from smoothgates.gates import GATES
from smoothgates.gates.admissibility import check
from smoothgates.methods.method import GrpoSg, Method
from smoothgates.objective import policy_loss
from smoothgates.objective.ratio import importance_ratio
from smoothgates.objective.weights import READINGS, grpo_sg

F64 = torch.float64
TAUS = (0.5, 1.0, 1.05, 5.0, 10.0, 12.0, 15.0)
PUBLISHED = ("sigmoid", "erf", "arctan", "softsign")
"""The smooth gates of 2602.19345."""


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    holds: bool
    detail: str
    """What was computed, and the largest error."""


def below(error: float, tolerance: float, what: str) -> Finding:
    return Finding(error <= tolerance, f"{what}: largest error {error:.1e}, tolerance {tolerance:.0e}")


def ratios(count: int = 4000, spread: float = 0.1) -> tuple[Tensor, Tensor]:
    """log π and log π_old of random responses (count, 16), in double precision; always the same."""
    generator = torch.Generator().manual_seed(0)
    old = -3 * torch.rand(count, 16, generator=generator, dtype=F64)
    return old + spread * torch.randn(old.shape, generator=generator, dtype=F64), old


def gradient(method: Method, logp: Tensor, old: Tensor) -> Tensor:
    """∂loss/∂log π (B, T), for advantages that alternate in sign from row to row."""
    logp = logp.clone().requires_grad_()
    loss, _ = policy_loss(logp, old, alternating(len(logp)), torch.ones_like(logp, dtype=torch.bool), method)
    return torch.autograd.grad(loss, logp)[0]


def alternating(rows: int) -> Tensor:
    """Advantages 1, −0.7, 1, … (rows,)."""
    return torch.where(torch.arange(rows) % 2 == 0, 1.0, -0.7).to(F64)


def apart(one: Tensor, two: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return ((one - two).abs().max() / two.abs().max()).item()


def admissible(gate: str) -> Finding:
    """Conditions (i) to (iv) of 2602.19345, section 4, at its temperatures for all comparisons and at 1."""
    taus = (1.0, 10.0, 12.0)
    found = {(name, tau): holds for tau in taus for name, holds in asdict(check(GATES[gate], tau)).items()}
    failed = [f"{name} fails at τ = {tau:g}" for (name, tau), holds in found.items() if not holds]
    return Finding(not failed, f"conditions (i) to (iv) at τ = 1, 10 and 12: {', '.join(failed) or 'all hold'}")


def weight_is_one_on_policy() -> Finding:
    """f′(1) = 1 for every published gate, temperature and sign of Â."""
    one = torch.ones(1, dtype=F64)
    errors = [
        abs(GATES[gate].weight(one, tau, positive).item() - 1)
        for gate in PUBLISHED
        for tau in TAUS
        for positive in (True, False)
    ]
    return below(max(errors), 1e-12, "|f′(1) − 1|, four gates, seven temperatures")


def on_policy_is_policy_gradient() -> Finding:
    """At r = 1 SAPO's gradient is that of plain importance sampling."""
    _, old = ratios(400)
    methods = (Method(gate="sigmoid", tau=(1.0, 1.05)), Method(gate="none"))
    sapo, plain = (gradient(method, old, old) for method in methods)
    return below(apart(sapo, plain), 1e-12, "gradient of SAPO against the plain policy gradient at r = 1")


def gspo_token_is_gspo() -> Finding:
    """Equal advantages in a response: GSPO-token has the gradient of GSPO's formula by automatic differentiation."""
    logp, old = ratios(400, 0.001)
    found = gradient(Method(gate="clip", clip=(0.0003, 0.0004), ratio="sequence_token"), logp, old)
    leaf = logp.clone().requires_grad_()
    s, advantage = (leaf - old).mean(dim=1).exp(), alternating(len(logp))
    mean = torch.minimum(s * advantage, s.clamp(1 - 0.0003, 1 + 0.0004) * advantage).mean()
    expected = torch.autograd.grad(-mean, leaf)[0]
    return below(apart(found, expected), 1e-12, "gradient of GSPO-token against GSPO's, clips 3e-4 and 4e-4")


def gspo_tokens_weigh_the_same() -> Finding:
    """All tokens of a response get the same factor in GSPO's gradient."""
    logp, old = ratios(400, 0.01)
    found = gradient(Method(gate="none", ratio="sequence"), logp, old)
    return below(apart(found, found[:, :1].expand_as(found)), 1e-12, "gradient of a token against its response's first")


def token_gates(tau: float, spread: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of responses: the mean token gate of SAPO in its small-step form, the gate of the sequence, and Var_i."""
    logp, old = ratios(spread=spread)
    z = logp - old
    mean = z.mean(dim=1)
    gate = partial(sech_squared, tau)
    return gate(z).mean(dim=1), gate(mean), (z - mean[:, None]).square().mean(dim=1)


def sech_squared(tau: float, z: Tensor) -> Tensor:
    return (tau / 2 * z).cosh().square().reciprocal()


def sapo_gap_is_bounded() -> Finding:
    """D_i ≤ (τ²/4)·Var_i (2511.20347, eq 21), D_i the gap between the mean token gate and the gate of the sequence."""
    excess = -math.inf
    for tau in (1.0, 1.05, 10.0):
        for spread in (0.01, 0.1, 0.5):
            tokens, sequence, variance = token_gates(tau, spread)
            excess = max(excess, ((tokens - sequence).abs() - tau**2 / 4 * variance).max().item())
    return below(max(0.0, excess), 1e-12, "D_i above (τ²/4)·Var_i, 4,000 responses, three temperatures, three spreads")


def sapo_is_a_sequence_gate_in_the_limit() -> Finding:
    """As log r gets small, SAPO's mean token weight tends to sech²(τ/2 · log s_i): the gap falls as its square."""
    gate, gaps = GATES["sigmoid"], []
    for spread in (0.1, 0.01):
        logp, old = ratios(spread=spread)
        z, length = logp - old, torch.full((len(old), 1), old.shape[1], dtype=F64)
        sequence = importance_ratio(z, length, "sequence").log()
        tokens = gate.weight(z.exp(), 1.0, True).mean(dim=1, keepdim=True)
        gaps.append((tokens - sech_squared(1.0, sequence)).abs().mean().item())
    return Finding(gaps[1] < gaps[0] / 50, f"mean gap {gaps[0]:.1e} for log r of 0.1, {gaps[1]:.1e} for 0.01")


def logit_gradients() -> tuple[Tensor, Tensor, Tensor]:
    """Random distributions over 50 tokens: π (N, 50), sampled tokens (N,), ∇ log π(sampled) to the logits (N, 50)."""
    generator = torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(2000, 50, generator=generator, dtype=F64)).requires_grad_()
    chosen = torch.randint(50, (2000,), generator=generator)
    picked = logits.log_softmax(dim=1).gather(1, chosen[:, None]).sum()
    return logits.detach().softmax(dim=1), chosen, torch.autograd.grad(picked, logits)[0]


def negative_advantage_raises_the_unsampled() -> Finding:
    """The gradient to the logits is (1 − π)Â for the sampled token, −π(v)Â for every other token v (SAPO, eq 9)."""
    probability, chosen, found = logit_gradients()
    expected = -probability
    expected.scatter_add_(1, chosen[:, None], torch.ones_like(expected[:, :1]))
    return below(apart(found, expected), 1e-12, "gradient to the logits against (1 − π) and −π(v)")


def gradient_is_bounded_by_one_minus_pi() -> Finding:
    """√(N/(N − 1))·(1 − π) ≤ ‖∇ log π‖ ≤ √2·(1 − π) at the logits of N tokens."""
    probability, chosen, found = logit_gradients()
    rest, count = 1 - probability.gather(1, chosen[:, None])[:, 0], probability.shape[1]
    norm = found.norm(dim=1)
    excess = torch.maximum(math.sqrt(count / (count - 1)) * rest - norm, norm - math.sqrt(2) * rest).max().item()
    return below(max(0.0, excess), 1e-12, "norm outside of the two bounds, 2,000 distributions over 50 tokens")


def printed_weights_are_one() -> Finding:
    """The printed constants of GRPO-SG give each token the weight 1."""
    weight = grpo_sg(torch.linspace(0, 1, 100_001, dtype=F64), "printed")
    logp, old = ratios(400)
    clip = Method(gate="clip", clip=(0.2, 0.2))
    weighted = clip.model_copy(update={"weights": GrpoSg(kind="grpo_sg", reading="printed")})
    error = max((weight - 1).abs().max().item(), apart(gradient(weighted, logp, old), gradient(clip, logp, old)))
    return below(error, 0.0, "weight − 1 for π in [0, 1], and gradient against GRPO's")


def weight_rises_with_probability() -> Finding:
    """Under every reading the weight never falls as the probability rises."""
    probability = torch.linspace(0, 1, 100_001, dtype=F64)
    fall = max(-grpo_sg(probability, reading).diff().min().item() for reading in READINGS)
    return below(max(0.0, fall), 0.0, f"fall of the weight under the readings {', '.join(READINGS)}")


CHECKS: dict[str, Callable[[], Finding]] = {
    **{f"{gate}_is_admissible": partial(admissible, gate) for gate in PUBLISHED},
    **{
        check.__name__: check
        for check in (
            weight_is_one_on_policy,
            on_policy_is_policy_gradient,
            gspo_token_is_gspo,
            gspo_tokens_weigh_the_same,
            sapo_gap_is_bounded,
            sapo_is_a_sequence_gate_in_the_limit,
            negative_advantage_raises_the_unsampled,
            gradient_is_bounded_by_one_minus_pi,
            printed_weights_are_one,
            weight_rises_with_probability,
        )
    },
}
"""By name."""


def checked() -> dict[str, dict[str, Any]]:
    """What every check found, by name."""
    return {name: asdict(find()) for name, find in CHECKS.items()}
