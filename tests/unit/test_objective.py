"""Costs of the loss and its diagnostics, counted in operations as times depend on the machine; their values."""

import math
from itertools import pairwise

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from smoothgates.methods.method import Method
from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss, sequence_diagnostics, update_diagnostics
from smoothgates.objective.diagnostics import BINS, QUANTILES
from smoothgates.objective.loss import gate_scale

METHODS = load_methods("config/methods.yaml")
ROWS, TOKENS = 6, 40
SLOW = {"where", "masked_fill", "masked_select", "nonzero", "index", "isfinite", "isnan", "logical_not", "bitwise_not"}
"""Operations that a CPU does one token at a time, in five to thirty times the time of a product."""


class Operations(TorchDispatchMode):
    """Names of the operations with an argument or a result that has a value for each token."""

    def __enter__(self):
        self.names = []
        return super().__enter__()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        tensors = [each for each in (*args, *(out if isinstance(out, tuple) else [out])) if torch.is_tensor(each)]
        if any(tensor.numel() >= ROWS * TOKENS for tensor in tensors):
            self.names.append(operation.overloadpacket.__name__)
        return out


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(0)
    old = -torch.rand(ROWS, TOKENS, generator=generator)
    logp = old + 0.3 * torch.randn(ROWS, TOKENS, generator=generator)
    lengths = torch.randint(1, TOKENS, (ROWS, 1), generator=generator)
    return logp.requires_grad_(), old, torch.randn(ROWS, generator=generator), torch.arange(TOKENS) < lengths


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_uses_no_slow_operation(name, batch):
    with Operations() as used:
        loss, _ = policy_loss(*batch, METHODS[name], 4.0)
        torch.autograd.grad(loss, batch[0])
    assert {"sub", "nan_to_num", "mul"} <= set(used.names)
    assert not SLOW & set(used.names)


def test_a_gradient_that_was_written_over_is_not_used_again(batch):
    loss, _ = policy_loss(*batch, METHODS["grpo"])
    torch.autograd.grad(loss, batch[0], torch.tensor(2.0), retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, batch[0])


def test_advantages_of_tokens_with_a_ratio_of_sequences_are_those_of_a_ratio_for_each_token(batch):
    """A gate then gets the ratio of a row once for each token, because tokens differ in the sign of Â."""
    logp, old, _, mask = batch
    advantage = torch.randn(ROWS, TOKENS, generator=torch.Generator().manual_seed(1))
    for gate in ("clip", "erf", "arctan", "sigmoid", "softsign", "softsign_classic"):
        scale = {"clip": (0.04, 0.05)} if gate == "clip" else {"tau": (8.0, 9.0)}
        method = Method(gate=gate, ratio="sequence_token", **scale)
        loss, terms = policy_loss(logp, old, advantage, mask, method)
        ratio = terms.ratio.expand(ROWS, TOKENS).clone()
        scales = gate_scale(method, advantage > 0, ratio)
        weight = method.applied_gate().weight(ratio, scales, advantage > 0)
        expected = -ratio * weight * advantage * mask / mask.sum(1, keepdim=True) / ROWS
        torch.testing.assert_close(torch.autograd.grad(loss, logp)[0], expected)


def test_diagnostics_sort_once_and_select_nothing(batch):
    _, terms = policy_loss(*batch, METHODS["grpo"])
    with Operations() as used:
        update_diagnostics(terms)
        sequence_diagnostics(terms, torch.arange(ROWS) // 2, ROWS // 2, METHODS["grpo"])
    assert used.names.count("sort") == 1
    assert not SLOW & set(used.names)


@pytest.mark.parametrize(
    "name", ["grpo", "gspo", "sapo", "erf_one_sided", "grpo_sg_inside", "vespo", "gmpo", "dppo_kl"]
)
@pytest.mark.parametrize("signs", ["both", "positive", "none"])
def test_diagnostics_are_what_their_definitions_say(name, signs, batch):
    """Computed again from the tokens of each sign, selected one by one."""
    logp, old, advantage, mask = batch
    advantage = {"both": advantage, "positive": advantage.abs() + 1, "none": advantage}[signs]
    mask = mask & (signs != "none")
    logp = logp.detach().clone()
    logp[0, 0] = old[0, 0] + 30
    _, terms = policy_loss(logp, old, advantage, mask, METHODS[name])
    found = update_diagnostics(terms)
    positive = (advantage > 0).unsqueeze(1)
    for suffix, chosen in {"": mask, "_pos": mask & positive, "_neg": mask & ~positive}.items():
        lr, r, f, inside = (
            getattr(terms, key).expand(ROWS, TOKENS)[chosen].double()
            for key in ("log_ratio", "ratio", "weight", "inside")
        )
        expected = {
            "eur": f.mean(),
            "phi": (r * f).mean(),
            "ess": (r * f).sum() ** 2 / (len(f) * (r * f).square().sum()),
            "attenuated": (f < 0.5).double().mean(),
            "clamped": 1 - inside.mean(),
            **{f"log_ratio_{key}": lr.quantile(at) if len(lr) else math.nan for key, at in QUANTILES.items()},
        }
        if not suffix:
            expected |= {"kl": (lr.exp() - 1 - lr).mean(), "log_ratio_max": lr.abs().max() if len(lr) else 0.0}
        expected = {key + suffix: float(value) for key, value in expected.items()}
        assert {key: found[key].item() for key in expected} == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)


def test_the_histogram_counts_each_token_once(batch):
    logp, old, advantage, mask = batch
    _, terms = policy_loss(logp, old, advantage, mask, METHODS["grpo"])
    found = update_diagnostics(terms)
    lr = terms.log_ratio[mask]
    edges = [-math.inf, *(-edge for edge in reversed(BINS)), *BINS, math.inf]
    expected = [((lr >= low) & (lr < high)).double().mean().item() for low, high in pairwise(edges)]
    shares = [found[f"log_ratio_bin{i}"].item() for i in range(len(edges) - 1)]
    assert shares == pytest.approx(expected, abs=1e-6)
    assert sum(shares) == pytest.approx(1)
    _, terms = policy_loss(old, old, advantage, mask, METHODS["grpo"])
    assert update_diagnostics(terms)[f"log_ratio_bin{len(BINS)}"] == 1


@pytest.mark.parametrize("name", ["grpo", "gspo", "sapo", "erf_one_sided", "grpo_sg_inside"])
def test_sequences_are_summarised_as_their_definitions_say(name, batch):
    """Computed again row by row. One row has no token, and one prompt no row."""
    logp, old, advantage, mask = batch
    mask = mask.clone()
    mask[4] = False
    prompt, method = torch.tensor([0, 2, 0, 2, 3, 3]), METHODS[name]
    _, terms = policy_loss(logp, old, advantage, mask, method)
    found = sequence_diagnostics(terms, prompt, 5, method)
    gate, by_prompt, rows = method.applied_gate(), {}, []
    for i, chosen in enumerate(mask):
        if not chosen.any():
            continue
        lr, weight = (getattr(terms, key).expand(ROWS, TOKENS)[i, chosen].double() for key in ("log_ratio", "weight"))
        by_prompt.setdefault(int(prompt[i]), []).append(weight)
        positive = advantage[i : i + 1] > 0
        scale = gate_scale(method, positive, weight)
        gap = (weight.mean() - gate.weight(lr.mean().exp()[None], scale, positive)[0]).abs()
        variance = lr.var(unbiased=False)
        rows.append((variance.item(), gap.item(), float(gap <= scale[0] ** 2 / 4 * variance + 1e-6)))
    expected = [math.fsum(torch.cat(own).mean().item() for own in by_prompt.values()) / 3]
    expected += [math.fsum(values) / 5 for values in zip(*rows)]
    if name != "sapo":
        expected[-1] = math.nan
    assert [value.item() for value in found.values()] == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)


def test_without_a_token_there_is_nothing_to_summarise(batch):
    logp, old, advantage, mask = batch
    _, terms = policy_loss(logp, old, advantage, mask & False, METHODS["sapo"])
    found = sequence_diagnostics(terms, torch.zeros(ROWS, dtype=torch.long), 1, METHODS["sapo"])
    assert all(value.isnan() for value in found.values())
    assert update_diagnostics(terms)["log_ratio_bin0"].isnan()
