"""Importance correction for the sampler's rounding: per token, capped, without a gradient, and off by default."""

import dataclasses

import pytest
import torch
from rounding import assert_gradients_rounded, ulps
from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.objective import group_advantages
from smoothgates.policy.logprob import completion_logprobs
from smoothgates.policy.text import compact_text
from smoothgates.rollout.collect import Rollout
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.seeds import torch_stream
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol, SamplerConfig
from smoothgates.specs.train import EngineConfig, Regime, Sampling, TrainSpec
from smoothgates.study import load_methods
from smoothgates.train.context import RunContext
from smoothgates.train.correction import correction_metrics, correction_weights
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.loop import train
from smoothgates.train.run.state import State
from smoothgates.train.step import minibatches, update

PROTOCOL = Protocol(reward="exact", max_new_tokens=8, toss=True)


def spec(cap, rollouts=2):
    return TrainSpec(
        task="math",
        regime_name="test",
        method_name="grpo",
        seed=0,
        method=load_methods("config/methods.yaml")["grpo"],
        regime=Regime(rollouts=rollouts, minibatches=1, optimizer=Adam(lr=1e-3)),
        protocol=PROTOCOL,
        sampling=Sampling(prompts=4, group=4),
        sampler=SamplerConfig(correction=cap),
        checkpoint_every=1,
    )


def rollout_of(policy, gap: Tensor) -> Rollout:
    """Eight completions of two groups; the sampler's log-probabilities are `gap` (8, 6) below the trainer's."""
    generator = torch_stream(4, "rollout")
    ids, starts = torch.randint(5, 60, (8, 14), generator=generator), torch.full((8,), 8)
    mask = torch.arange(6) < torch.randint(2, 7, (8, 1), generator=generator)
    with torch.no_grad():
        old, _ = completion_logprobs(policy, ids, starts, 6)
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    rows = torch.arange(8)
    return Rollout(ids, starts, mask.sum(1), mask, old, old - gap, rows.unsqueeze(0), rows, rewards, mask, {})


@pytest.fixture
def gaps():
    """Rounding of a tenth and more."""
    return 0.5 * torch.randn(8, 6, generator=torch_stream(0, "gaps"))


def test_weights_are_the_ratio_of_each_token_up_to_the_cap(policy, gaps):
    rollout = rollout_of(policy, gaps)
    found = correction_weights(rollout, 2.0)
    # The gap is rounded when it is taken from a log-probability, and when that is taken from the other one.
    near = ulps(2, 7)
    assert found[rollout.mask].tolist() == pytest.approx(gaps.exp().clamp(max=2.0)[rollout.mask].tolist(), rel=near)
    assert (found[~rollout.mask] == 1).all()
    assert (found == 2).any()


def test_a_tokens_weight_depends_on_no_other_token(policy, gaps):
    """It is not a product over the sequence, which would tend to 0 with its length."""
    other = gaps.clone()
    other[:, 1:] = 3.0
    first, second = (correction_weights(rollout_of(policy, gap), 2.0) for gap in (gaps, other))
    assert torch.equal(first[:, 0], second[:, 0])


def gradient(policy, rollout, cap):
    """The gradient and the metrics of the first update on all rows."""
    chosen = spec(cap)
    engine = TorchEngine(policy, EngineConfig(), chosen.regime.optimizer, Ranks())
    found = []
    engine.step = lambda rate: found.append([g.clone() for g in engine.gradients]) or 1.0
    (rows,) = minibatches(rollout.order, chosen.regime)
    made = update(engine, rollout, rows, chosen, 0)
    return torch.cat([g.flatten() for g in found[0]]), made


def test_weights_multiply_each_tokens_term_and_have_no_gradient(policy, gaps):
    """Σ w·Â/L·∇log π at ratio 1, against autograd on that very sum."""
    rollout = rollout_of(policy, gaps)
    found, _ = gradient(policy, rollout, 2.0)
    logp, _ = completion_logprobs(policy, rollout.ids, rollout.starts, 6)
    advantage = group_advantages(rollout.rewards, spec(2.0).method.advantage).view(-1, 1)
    each = gaps.exp().clamp(max=2.0) * advantage * logp * rollout.mask / rollout.lengths.unsqueeze(1)
    expected = torch.autograd.grad(-each.sum() / 8, list(policy.parameters()))
    expected = torch.cat([g.flatten() for g in expected])
    assert_gradients_rounded([found], [expected])


def test_without_correction_the_samplers_log_probabilities_have_no_effect(policy, gaps):
    plain, logged = gradient(policy, rollout_of(policy, torch.zeros(8, 6)), None)
    off, off_logged = gradient(policy, rollout_of(policy, gaps), None)
    on, _ = gradient(policy, rollout_of(policy, gaps), 2.0)
    assert torch.equal(plain, off)
    assert repr(logged) == repr(off_logged)
    assert not torch.equal(plain, on)


def test_without_a_gap_correction_has_no_effect(policy):
    rollout = rollout_of(policy, torch.zeros(8, 6))
    assert torch.equal(gradient(policy, rollout, 2.0)[0], gradient(policy, rollout, None)[0])


def test_weights_restore_the_trainers_expectation():
    """Weighted samples of a rounded distribution have the mean of the exact one."""
    generator = torch_stream(0, "expectation")
    true = torch.randn(50, generator=generator).log_softmax(0)
    rounded = (true + 0.3 * torch.randn(50, generator=generator)).log_softmax(0)
    value = torch.randn(50, generator=generator)
    drawn = torch.multinomial(rounded.exp(), 200_000, replacement=True, generator=generator)
    blank = torch.ones(1, len(drawn), dtype=torch.bool)
    empty = torch.zeros(1, dtype=torch.long)
    logp = (true[drawn].unsqueeze(0), rounded[drawn].unsqueeze(0))
    rollout = Rollout(empty, empty, empty, blank, *logp, empty, empty, empty, blank, {})
    weights = correction_weights(rollout, 100.0).squeeze(0)
    expected, error = (true.exp() * value).sum(), (weights * value[drawn]).std() / len(drawn) ** 0.5
    assert abs((weights * value[drawn]).mean() - expected) < 4 * error
    assert abs(value[drawn].mean() - expected) > 8 * error
    facts = correction_metrics(rollout, 1.5)
    assert facts["correction_mean"] == pytest.approx(1, abs=0.01)
    assert facts["correction_capped"] == pytest.approx(weights.clamp(max=1.5).mean().item())
    assert facts["correction_capped"] < 1


class Rounding(TorchSampler):
    """Returns log-probabilities that are slightly wrong."""

    def sample(self, *what, **how):
        found = super().sample(*what, **how)
        noise = 0.3 * torch.randn(found.logp.shape, generator=torch_stream(0, "noise"))
        return dataclasses.replace(found, logp=found.logp + noise.where(found.mask, torch.zeros(())))


@pytest.mark.parametrize("cap", [None, 1.1])
def test_the_mean_weight_is_logged_before_and_after_the_cap(cap, policy, tokenizer, problems):
    chosen = spec(cap)
    engine = TorchEngine(policy, chosen.engine, chosen.regime.optimizer, Ranks())
    context = RunContext(chosen, Rounding(policy), compact_text(tokenizer), load_task_setup("math", PROTOCOL), problems)
    state = State.first(engine, chosen)
    train(state, context)
    for row in state.history.updates:
        assert ("correction_mean" in row) == ("correction_capped" in row) == (cap is not None)
        if cap:
            assert row["correction_capped"] < min(row["correction_mean"], cap)
