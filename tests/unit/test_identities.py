"""Identities that hold for any batch and method: property tests of the objective."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothgates.gates import GATES
from smoothgates.methods.method import Constant, Method
from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss, step_denominator, update_diagnostics

METHODS = load_methods("config/methods.yaml")
F64 = torch.float64


@dataclasses.dataclass(frozen=True)
class Batch:
    """A random off-policy batch with ragged rows."""

    logp: torch.Tensor
    old_logp: torch.Tensor
    advantage: torch.Tensor
    mask: torch.Tensor


@st.composite
def batches(draw, equal_lengths: bool = False, tokens: int | None = None):
    seed = draw(st.integers(0, 2**32 - 1))
    rows = draw(st.integers(1, 8))
    width = tokens or draw(st.integers(1, 9))
    spread = draw(st.sampled_from([1e-3, 0.05, 0.3, 2.0]))
    generator = torch.Generator().manual_seed(seed)
    old = -torch.rand(rows, width, generator=generator, dtype=F64) * 3 - 0.01
    lengths = torch.randint(1, width + 1, (rows,), generator=generator)
    lengths = torch.full_like(lengths, width) if equal_lengths else lengths
    mask = torch.arange(width) < lengths.unsqueeze(1)
    advantage = torch.randn(rows, generator=generator, dtype=F64)
    return Batch((old + spread * torch.randn(old.shape, generator=generator, dtype=F64)), old, advantage, mask)


def loss_and_gradient(batch: Batch, method: Method, denominator=None):
    logp = batch.logp.clone().requires_grad_()
    loss, _ = policy_loss(logp, batch.old_logp, batch.advantage, batch.mask, method, denominator)
    return loss.detach(), torch.autograd.grad(loss, logp)[0]


def rows_of(batch: Batch, rows) -> Batch:
    return Batch(*(getattr(batch, field.name)[rows] for field in dataclasses.fields(Batch)))


def same(a, b, **tolerance):
    """Compare in double precision. Its rounding is far below both bounds, which leaves room for cancellation."""
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, **{"rtol": 1e-9, "atol": 1e-12} | tolerance)


@pytest.mark.parametrize("name", METHODS)
@given(batch=batches())
@settings(max_examples=25, deadline=None)
def test_the_split_into_micro_batches_does_not_matter(name, batch):
    method, count = METHODS[name], len(batch.advantage)
    whole = loss_and_gradient(batch, method)
    total = step_denominator(batch.mask, method)
    for size in (1, 2, 3):
        order = torch.randperm(count)
        parts = [loss_and_gradient(rows_of(batch, rows), method, total) for rows in order.split(size)]
        gradient = torch.zeros_like(whole[1])
        for rows, (_, part) in zip(order.split(size), parts, strict=True):
            gradient[rows] = part
        same((sum(loss for loss, _ in parts), gradient), whole)


@pytest.mark.parametrize("name", METHODS)
@given(batch=batches(), extra=st.integers(1, 4), garbage=st.sampled_from([0.0, 100.0, float("nan"), float("-inf")]))
@settings(max_examples=15, deadline=None)
def test_padding_and_empty_rows_do_not_matter(name, batch, extra, garbage):
    rows, width = batch.mask.shape

    def pad(tensor, fill):
        grown = torch.full((rows + 1, width + extra), fill, dtype=tensor.dtype)
        grown[:rows, :width] = tensor
        return grown

    padded = Batch(
        pad(batch.logp, garbage),
        pad(batch.old_logp, garbage),
        torch.cat([batch.advantage, torch.ones(1, dtype=F64)]),
        pad(batch.mask, False),
    )
    loss, gradient = loss_and_gradient(padded, METHODS[name])
    same((loss, gradient[:rows, :width]), loss_and_gradient(batch, METHODS[name]))
    assert (gradient[rows:] == 0).all()
    assert (gradient[:, width:] == 0).all()


@pytest.mark.parametrize("name", METHODS)
@given(batch=batches())
@settings(max_examples=15, deadline=None)
def test_the_closed_form_is_the_gradient_of_the_value(name, batch):
    """Compared with finite differences of Σ f(r)·Â, with all factors that have no gradient held fixed."""
    method = METHODS[name]
    fixed = method.weights or method.mask or method.ratio in ("sequence_token", "product")
    if GATES[method.gate].detached or fixed:
        return  # their published losses hold a factor fixed; they are compared elsewhere
    _, gradient = loss_and_gradient(batch, method)
    step = 1e-6
    for row, column in batch.mask.nonzero()[:4].tolist():
        shift = torch.zeros_like(batch.logp)
        shift[row, column] = step
        up, _ = loss_and_gradient(dataclasses.replace(batch, logp=batch.logp + shift), method)
        down, _ = loss_and_gradient(dataclasses.replace(batch, logp=batch.logp - shift), method)
        slope = (up - down).item() / (2 * step)
        if not near_a_kink(batch, method, row, column):
            # The step squared times the steepest third derivative, τ² of 15, and rounding divided by the step.
            assert slope == pytest.approx(gradient[row, column].item(), abs=1e-5, rel=1e-4)


def near_a_kink(batch, method, row, column, margin=1e-4):
    log_ratio = (batch.logp - batch.old_logp) * batch.mask
    if method.ratio == "sequence":
        ratio = (log_ratio.sum(1) / batch.mask.sum(1)).exp()[row]
    elif method.ratio == "geometric":
        ratio = 1 + log_ratio[row, column]
    else:
        ratio = log_ratio.exp()[row, column]
    above, below = method.scales()
    kinks = [1.0, 1 + above, 1 - below, 3.0]
    return any(abs(ratio.item() - kink) < margin for kink in kinks)


@pytest.mark.parametrize("name", METHODS)
@given(batch=batches())
@settings(max_examples=15, deadline=None)
def test_on_policy_every_gate_gives_the_plain_policy_gradient(name, batch):
    """Null test: r = 1 everywhere. Token weights and aggregation are the only differences left."""
    method = METHODS[name]
    if method.weights is not None and method.weights.placement == "inside":
        return  # weights inside the clip move its argument off 1: the gate acts even on-policy, as intended
    on_policy = dataclasses.replace(batch, logp=batch.old_logp)
    plain = Method(gate="none", weights=method.weights, aggregation=method.aggregation)
    loss = loss_and_gradient(on_policy, method)[1]
    torch.testing.assert_close(loss, loss_and_gradient(on_policy, plain)[1], rtol=1e-12, atol=1e-15)
    _, terms = policy_loss(batch.old_logp, batch.old_logp, batch.advantage, batch.mask, method)
    diagnostics = update_diagnostics(terms)
    assert diagnostics["eur"].item() == pytest.approx(1, abs=1e-12)
    assert diagnostics["kl"].item() == 0


@pytest.mark.parametrize("name", METHODS)
@given(batch=batches())
@settings(max_examples=15, deadline=None)
def test_a_step_raises_good_tokens_and_lowers_bad_ones(name, batch):
    method = METHODS[name]
    if method.ratio == "sequence" or method.gate == "spo":
        return  # tokens share a slope; beyond its bound SPO pulls back
    _, gradient = loss_and_gradient(batch, method)
    direction = -gradient * batch.advantage.unsqueeze(1)
    assert (direction >= 0).all()


@pytest.mark.parametrize("name", METHODS)
@given(batch=batches(), factor=st.sampled_from([0.1, 2.0, 7.0]))
@settings(max_examples=15, deadline=None)
def test_scaling_advantages_scales_the_gradient(name, batch, factor):
    scaled = dataclasses.replace(batch, advantage=batch.advantage * factor)
    same(
        [loss_and_gradient(scaled, METHODS[name])[1]],
        [loss_and_gradient(batch, METHODS[name])[1] * factor],
    )


@given(batch=batches())
@settings(max_examples=50, deadline=None)
def test_sigmoid_is_tanh_of_half_the_temperature(batch):
    ratio = (batch.logp - batch.old_logp).exp()
    for tau in (1.0, 10.0):
        tanh = torch.tanh(tau / 2 * (ratio - 1)) * 2 / tau
        same([GATES["sigmoid"].value(ratio, tau, True)], [tanh + 2 / tau], atol=1e-9)


@pytest.mark.parametrize("gate", ["sigmoid", "erf", "arctan", "softsign", "softsign_classic"])
@given(batch=batches())
@settings(max_examples=15, deadline=None)
def test_a_wide_gate_equals_no_gate(gate, batch):
    """The steepest of them is softsign_classic, 1/(1 + τ|r − 1|)²: it takes at most 2τ|r − 1| of a gradient."""
    tau, largest = 1e-7, float((batch.logp - batch.old_logp).exp().max())
    wide = loss_and_gradient(batch, Method(gate=gate, tau=tau))[1]
    none = loss_and_gradient(batch, Method(gate="none"))[1]
    torch.testing.assert_close(wide, none, rtol=2 * tau * max(largest, 1) + 1e-9, atol=1e-12)


@given(batch=batches())
@settings(max_examples=30, deadline=None)
def test_a_wide_clip_equals_no_gate(batch):
    same(loss_and_gradient(batch, Method(gate="clip", clip=1e9)), loss_and_gradient(batch, Method(gate="none")))


@given(batch=batches(tokens=1))
@settings(max_examples=30, deadline=None)
def test_with_one_token_gspo_is_grpo(batch):
    token = loss_and_gradient(batch, Method(gate="clip", clip=0.2))
    for level in ("sequence", "sequence_token"):
        same(loss_and_gradient(batch, Method(gate="clip", clip=0.2, ratio=level)), token)


@given(batch=batches())
@settings(max_examples=30, deadline=None)
def test_with_constant_log_ratio_in_a_row_gspo_is_grpo(batch):
    shift = (batch.logp - batch.old_logp)[:, :1]
    constant = dataclasses.replace(batch, logp=batch.old_logp + shift)
    same(
        loss_and_gradient(constant, Method(gate="clip", clip=0.2, ratio="sequence")),
        loss_and_gradient(constant, Method(gate="clip", clip=0.2)),
    )


@given(batch=batches())
@settings(max_examples=30, deadline=None)
def test_gspo_and_gspo_token_agree_for_one_advantage_a_sequence(batch):
    sequence = Method(gate="clip", clip=(0.0003, 0.0004), ratio="sequence")
    token = Method(gate="clip", clip=(0.0003, 0.0004), ratio="sequence_token")
    same(loss_and_gradient(batch, sequence), loss_and_gradient(batch, token))


def test_gspo_and_gspo_token_differ_for_per_token_advantages():
    old = torch.full((1, 2), -1.0, dtype=F64)
    batch = Batch(old + 0.01, old, torch.tensor([[1.0, 0.5]], dtype=F64), torch.ones(1, 2, dtype=torch.bool))
    sequence = loss_and_gradient(batch, Method(gate="none", ratio="sequence"))[1]
    token = loss_and_gradient(batch, Method(gate="none", ratio="sequence_token"))[1]
    assert sequence[0, 0] == sequence[0, 1]
    assert token[0, 0] == pytest.approx(2 * token[0, 1].item())
    assert sequence.sum() == pytest.approx(token.sum().item())


@given(batch=batches(equal_lengths=True))
@settings(max_examples=30, deadline=None)
def test_with_equal_lengths_all_aggregations_agree(batch):
    width = batch.mask.shape[1]
    per_sequence = loss_and_gradient(batch, Method(gate="arctan", tau=10))
    for aggregation in ("token_mean", Constant(constant=width)):
        same(loss_and_gradient(batch, Method(gate="arctan", tau=10, aggregation=aggregation)), per_sequence)


@given(batch=batches())
@settings(max_examples=30, deadline=None)
def test_weights_of_one_equal_no_weights(batch):
    same(loss_and_gradient(batch, METHODS["grpo_sg_printed"]), loss_and_gradient(batch, METHODS["grpo"]))


@given(batch=batches())
@settings(max_examples=30, deadline=None)
def test_grpo_sg_inside_the_clip_closes_likely_good_tokens_on_policy(batch):
    """Their w exceeds 1 + ε: no gradient for Â > 0 although r = 1, full gradient for Â ≤ 0."""
    likely = torch.full_like(batch.old_logp, -0.05)
    batch = dataclasses.replace(batch, logp=likely, old_logp=likely)
    gradient = loss_and_gradient(batch, METHODS["grpo_sg_inside"])[1]
    good = batch.advantage > 0
    assert (gradient[good] == 0).all()
    assert (gradient[~good][batch.mask[~good]] != 0).all()
