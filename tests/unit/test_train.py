"""The training loop: determinism, runs with a learning rate of almost 0, and the counting of updates."""

import dataclasses
import itertools
import math

import pytest
import torch
from rounding import APART, BACKWARD, ulps

from smoothgates.distributed.ranks import Ranks
from smoothgates.methods.method import Method
from smoothgates.methods.table import load_methods
from smoothgates.objective import group_advantages, policy_loss
from smoothgates.policy.logprob import completion_logprobs
from smoothgates.policy.text import compact_text
from smoothgates.rollout.collect import Rollout
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.seeds import torch_stream
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.train import Regime, Sampling, TrainSpec
from smoothgates.tasks.task import Verdict, each
from smoothgates.train.context import RunContext
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.loop import train
from smoothgates.train.optimizer import AdamW
from smoothgates.train.run.state import State
from smoothgates.train.step import epoch_orders, minibatches, update

METHODS = load_methods("config/methods.yaml")
PROTOCOL = Protocol(reward="exact", max_new_tokens=8)


def spec(method="grpo", lr=3e-4, minibatches=2, epochs=1, lag=0, rollouts=2, seed=0):
    return TrainSpec(
        task="math",
        regime_name="test",
        method_name="test",
        seed=seed,
        method=METHODS[method] if isinstance(method, str) else method,
        regime=Regime(rollouts=rollouts, minibatches=minibatches, epochs=epochs, lag=lag, optimizer=Adam(lr=lr)),
        protocol=PROTOCOL,
        sampling=Sampling(prompts=4, group=4),
        checkpoint_every=1,
    )


def task_setup(*rewards):
    """A task setup with alternating rewards, which do not depend on the completions."""
    cycle = itertools.cycle(rewards)
    judge = each(lambda text, example, cut: Verdict(next(cycle), {}, None, "wrong"))
    return dataclasses.replace(load_task_setup("math", PROTOCOL), judge=judge)


def engine_of(policy, chosen):
    return TorchEngine(policy, chosen.engine, chosen.regime.optimizer, Ranks())


def run(policy, tokenizer, problems, chosen, rewards=(1.0, 0.0, 0.0)):
    context = RunContext(chosen, TorchSampler(policy), compact_text(tokenizer), task_setup(*rewards), problems)
    state = State.first(engine_of(policy, chosen), chosen)
    train(state, context)
    return state.history


def test_equal_seeds_give_equal_bits(policy, tokenizer, problems):
    import copy

    other = copy.deepcopy(policy)
    first = run(policy, tokenizer, problems, spec(epochs=2))
    again = run(other, tokenizer, problems, spec(epochs=2))
    assert repr(first.updates) == repr(again.updates)
    for a, b in zip(policy.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.routing_replay])
def test_with_almost_no_learning_rate_no_gate_acts(method, policy, tokenizer, problems):
    """With a learning rate of almost 0 the policy stays at r = 1, and no gate acts."""
    history = run(policy, tokenizer, problems, spec(method, lr=1e-30, epochs=2))
    outside = METHODS[method].weights is None or METHODS[method].weights.placement == "outside"
    for row in history.updates:
        assert row["log_ratio_max"] <= APART  # forward passes have other shapes
        assert row["clamped"] == 0
        if outside:
            # At the highest temperature in the table, 15, such a ratio lowers f′ by (15 · APART)² / 2 = 1e-7.
            assert row["eur"] == pytest.approx(1, abs=1e-6)
            assert row["attenuated"] == 0


def test_all_gates_have_the_same_gradient_at_ratio_1(policy, tokenizer, problems):
    gradients = {}
    for name in ("grpo", "sapo", "sigmoid", "erf", "arctan", "softsign", "none", "sigmoid_one_sided", "dual_clip"):
        history = run(policy, tokenizer, problems, spec(name, lr=1e-30, minibatches=1, rollouts=1))
        gradients[name] = history.updates[0]["grad_norm"]
    assert all(norm == pytest.approx(gradients["grpo"], rel=ulps(BACKWARD, 1)) for norm in gradients.values())


@pytest.mark.parametrize(("lag", "epochs", "parts"), [(0, 1, 2), (0, 3, 4), (2, 1, 4)])
def test_updates_are_counted(lag, epochs, parts, policy, tokenizer, problems):
    history = run(policy, tokenizer, problems, spec(lag=lag, epochs=epochs, minibatches=parts, rollouts=3))
    assert [row["update"] for row in history.updates] == list(range(1, len(history.updates) + 1))
    assert len(history.updates) <= 3 * epochs * parts
    assert {row["rollout"] for row in history.updates} == {1, 2, 3}
    assert history.rollouts == 3
    assert history.status == "finished"


def test_with_a_lag_rollouts_come_from_an_older_policy(policy, tokenizer, problems):
    fresh = run(policy, tokenizer, problems, spec(lr=1e-2, minibatches=1, rollouts=4))
    stale = run(policy, tokenizer, problems, spec(lr=1e-2, minibatches=1, rollouts=4, lag=2))
    assert all(row["log_ratio_max"] <= APART for row in fresh.updates)
    assert stale.updates[-1]["log_ratio_max"] > 0.1


def test_noise_moves_the_ratios_and_nothing_else(policy, tokenizer, problems):
    chosen = spec("none", lr=1e-30)
    noisy = chosen.model_copy(update={"regime": chosen.regime.model_copy(update={"noise": 0.1})})
    clean, found = (run(policy, tokenizer, problems, each).updates for each in (chosen, noisy))
    same = ("reward", "length", "entropy", "sampler_gap")
    assert [[row[key] for key in same] for row in found] == [[row[key] for key in same] for row in clean]
    spread = [(row["log_ratio_q75"] - row["log_ratio_q25"]) / 1.349 for row in found]  # the σ of a Gaussian
    assert 0.06 < sum(spread) / len(spread) < 0.14
    assert found[0]["log_ratio_max"] != found[-1]["log_ratio_max"], "each rollout has noise of its own"


def rollout_of(policy, rewards):
    generator = torch_stream(4, "rollout")
    rows = rewards.numel()
    ids = torch.randint(5, 60, (rows, 16), generator=generator)
    starts = torch.full((rows,), 8)
    mask = torch.arange(8) < torch.randint(2, 9, (rows, 1), generator=generator)
    with torch.no_grad():
        old, _ = completion_logprobs(policy, ids, starts, 8)
    rows = (rewards.amax(1) > rewards.amin(1)).repeat_interleave(rewards.shape[1]).nonzero().squeeze(1)
    order = epoch_orders(len(rows), spec().regime, generator)
    kept = (ids[rows], starts[rows], mask.sum(1)[rows], mask[rows], old[rows], old[rows], order, rows)
    return Rollout(*kept, rewards, mask, {}), (ids, starts, mask, old)


@pytest.mark.parametrize("method", ["grpo", "dapo", "dr_grpo", "gspo", "erf"])
def test_leaving_out_flat_groups_keeps_the_gradient(method, policy):
    """The denominator counts them."""
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    rollout, (ids, starts, mask, old) = rollout_of(policy, rewards)
    assert rollout.rows.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    chosen = spec(method, minibatches=1)
    advantage = group_advantages(rewards, chosen.method.advantage).flatten()
    (rows,) = minibatches(rollout.order, chosen.regime)
    optimizer = AdamW(policy, Adam(lr=1e-30))
    kept = update(engine_of(policy, spec(lr=1e-30)), rollout, rows, chosen, 0)
    logp, _ = completion_logprobs(policy, ids, starts, 8)
    loss, _ = policy_loss(logp, old, advantage, mask, chosen.method)
    # The error of φ is the rounding of a log-ratio times the slope of φ: little more than erf's temperature.
    near = 13 * APART + ulps(BACKWARD, 1)
    assert kept["loss"] == pytest.approx(loss.item(), abs=APART)
    assert kept["grad_norm"] == pytest.approx(optimizer.gradients(loss)[1].item(), rel=near)


def test_a_rollout_without_signal_makes_no_update_but_logs_its_metrics(policy, tokenizer, problems):
    before = [p.clone() for p in policy.parameters()]
    history = run(policy, tokenizer, problems, spec(rollouts=3), rewards=(1.0,))
    assert (history.steps, history.rollouts, len(history.updates)) == (0, 3, 3)
    assert all(row["reward"] == 1 and math.isnan(row["kl"]) for row in history.updates)
    assert all(torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))
    assert history.updates[0].keys() == run(policy, tokenizer, problems, spec()).updates[0].keys()


def test_the_reward_for_the_format_is_logged_apart(policy, tokenizer, problems):
    parts = itertools.cycle([(1.0, 0.5), (0.0, 1.0), (0.0, 0.0)])

    def judge(text, example, cut):
        answer, form = next(parts)
        return Verdict(answer + form, {"answer": answer, "format": form}, None, "wrong")

    chosen, setup = spec(), dataclasses.replace(load_task_setup("math", PROTOCOL), judge=each(judge))
    state = State.first(engine_of(policy, chosen), chosen)
    train(state, RunContext(chosen, TorchSampler(policy), compact_text(tokenizer), setup, problems))
    for row in state.history.updates:
        assert row["answer_reward"] + row["format_reward"] == pytest.approx(row["reward"])
        assert row["answer_reward"] < row["format_reward"]
    assert "answer_reward" not in run(policy, tokenizer, problems, spec()).updates[0]


def test_divergence_is_a_result(policy, tokenizer, problems):
    before = [p.clone() for p in policy.parameters()]
    chosen = spec(Method(gate="none"))
    with torch.no_grad():
        policy.model.layers[0].mlp.down_proj.weight[0, 0] = math.nan
    # Sampling from NaN logits still returns ids. The run must end with a status, not with an exception.
    history = run(policy, tokenizer, problems, chosen)
    assert history.status == "diverged"
    assert math.isnan(history.updates[-1]["grad_norm"])
    assert torch.equal(policy.model.embed_tokens.weight, before[0])


def test_adamw_equals_torchs_to_the_bit(policy):
    import copy

    config = Adam(lr=1e-2, betas=(0.9, 0.98), weight_decay=0.1, grad_clip=0.5)
    twin = copy.deepcopy(policy)
    ours, theirs = (
        AdamW(policy, config),
        torch.optim.AdamW(twin.parameters(), lr=1e-2, betas=(0.9, 0.98), weight_decay=0.1, fused=True),
    )
    ids = torch.randint(5, 60, (4, 12), generator=torch_stream(0, "ids"))
    for _ in range(3):
        gradients, norm = ours.gradients(policy.logits(policy.hidden(ids)).square().mean())
        ours.step(gradients, rate=1.0)
        theirs.zero_grad()
        twin.logits(twin.hidden(ids)).square().mean().backward()
        expected = torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        theirs.step()
        assert norm == expected
    for a, b in zip(policy.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
