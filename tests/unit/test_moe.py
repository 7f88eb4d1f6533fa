"""The compact decoder with experts against transformers' Qwen3-MoE; the routers' choice, recorded and replayed."""

import copy
import dataclasses
import itertools

import pytest
import torch
from rounding import APART, FORWARD, NEAR, assert_gradients_rounded, assert_rounded

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput
from smoothgates.methods.table import load_methods
from smoothgates.policy.decoder import Cache, Decoder
from smoothgates.policy.load import load_policy
from smoothgates.policy.logprob import completion_logprobs
from smoothgates.policy.routing import routing
from smoothgates.policy.save import save_policy
from smoothgates.policy.text import compact_text
from smoothgates.rollout.collect import Rollout
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import ExpertsConfig
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.train import EngineConfig, Regime, Sampling, TrainSpec
from smoothgates.study.loader import load_study
from smoothgates.tasks.task import Verdict, each
from smoothgates.train.context import RunContext
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.loop import train
from smoothgates.train.routing_replay import changed_experts
from smoothgates.train.run.state import State, pack, unpack
from smoothgates.train.step import minibatches, sample_rollout, update

PROTOCOL = Protocol(reward="exact", max_new_tokens=8)


@pytest.fixture
def moe():
    """The laptop policy with experts, untrained, with routers that distinguish tokens."""
    arch = load_study("laptop").config.architecture
    arch = arch.model_copy(update={"experts": ExpertsConfig(count=8, chosen=2, intermediate_size=24)})
    policy = Decoder(arch).initialise(torch_stream(0, "initialise"))
    with torch.no_grad():
        for layer in policy.model.layers:
            layer.mlp.gate.weight.mul_(20)
    return policy


@pytest.fixture
def folder(tmp_path, tokenizer, moe):
    save_policy(tmp_path / "weights", moe, tokenizer)
    return tmp_path / "weights"


def tokens(*shape):
    # Without the padding token, whose embedding gradient transformers drops.
    return torch.randint(1, 112, shape, generator=torch_stream(1, "ids"))


def transformers_model(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def test_logits_equal_transformers(folder, moe):
    theirs, ids = transformers_model(folder), tokens(5, 40)
    assert type(theirs).__name__ == "Qwen3MoeForCausalLM"
    with torch.no_grad():
        expected = theirs(ids, use_cache=False).logits
        assert_rounded(moe.logits(moe.hidden(ids)), expected, FORWARD)


def test_gradients_equal_transformers(folder, moe):
    theirs, ids = transformers_model(folder), tokens(3, 20)
    ours = torch.autograd.grad(moe.logits(moe.hidden(ids)).log_softmax(-1).square().mean(), moe.parameters())
    theirs(ids, use_cache=False).logits.log_softmax(-1).square().mean().backward()
    named = dict(theirs.named_parameters())
    assert_gradients_rounded(ours, [named[name].grad for name, _ in moe.named_parameters()])


def test_what_transformers_saves_is_loaded(folder, tmp_path, moe):
    other = transformers_model(folder)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.01)
    other.save_pretrained(tmp_path / "theirs")
    (tmp_path / "theirs/tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    loaded, _ = load_policy(tmp_path / "theirs")
    ids = tokens(2, 12)
    with torch.no_grad():
        expected = other(ids, use_cache=False).logits
        assert_rounded(loaded.logits(loaded.hidden(ids)), expected, FORWARD)


def test_a_folder_with_experts_keeps_every_bit(folder, moe):
    loaded, _ = load_policy(folder)
    assert loaded.arch == moe.arch
    for (name, before), (_, after) in zip(moe.named_parameters(), loaded.named_parameters(), strict=True):
        assert torch.equal(before, after), name


def test_decoding_with_a_cache_equals_a_full_pass(moe):
    ids = tokens(4, 12)
    cache = Cache(moe.arch, 4, 12)
    causal = torch.full((8, 8), -torch.inf).triu(1)
    with torch.no_grad():
        steps = [moe.hidden(ids[:, :8], None, cache, 0, causal)]
        steps += [moe.hidden(ids[:, t : t + 1], None, cache, t, torch.zeros(t + 1)) for t in range(8, 12)]
        ours, expected = moe.logits(torch.cat(steps, dim=1)), moe.logits(moe.hidden(ids))
        assert_rounded(ours, expected, FORWARD)


def scored(policy, ids, given=None):
    """Log-probabilities of the last 8 tokens of each row, and the routers' choice."""
    starts = torch.full((len(ids),), ids.shape[1] - 8)
    with routing(policy, *ids.shape, given) as choice:
        logp, _ = completion_logprobs(policy, ids, starts, 8)
    return logp, choice


def chosen_by(theirs, ids):
    """The choice of transformers' routers, most likely first: (B, T, L, K)."""
    found = []
    hooks = [
        layer.mlp.gate.register_forward_hook(lambda *what: found.append(what[2][2])) for layer in theirs.model.layers
    ]
    theirs(ids, use_cache=False)
    for hook in hooks:
        hook.remove()
    return torch.stack(found, dim=1).view(*ids.shape, len(found), -1)


@torch.no_grad()
def test_routers_choose_as_in_transformers_wherever_a_layer_computes(folder, moe):
    ids = tokens(4, 20)
    _, choice = scored(moe, ids)
    expected = chosen_by(transformers_model(folder), ids)
    assert torch.equal(choice[:, :-1, 0].long(), expected[:, :-1, 0])
    assert torch.equal(choice[:, 11:-1, 1].long(), expected[:, 11:-1, 1])
    assert not choice[:, :11, 1].any(), "the last layer computes completions alone"
    assert len(expected.unique()) == 8


def test_replaying_a_policys_own_routes_changes_no_bit(moe):
    ids = tokens(4, 20)
    logp, choice = scored(moe, ids)
    again, same = scored(moe, ids, choice)
    assert torch.equal(logp, again)
    assert torch.equal(choice, same)
    gradients = [torch.autograd.grad(each.square().sum(), moe.parameters()) for each in (logp, again)]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_replayed_route_is_followed_and_the_router_keeps_its_gradient(moe):
    ids = tokens(4, 20)
    logp, choice = scored(moe, ids)
    others = (choice + 1) % 8
    replayed, still = scored(moe, ids, others)
    assert not torch.allclose(logp, replayed, atol=1e-3)
    assert torch.equal(choice[:, :, 0], still[:, :, 0]), "the router's own choice is noted"
    for layer in moe.model.layers:
        (gradient,) = torch.autograd.grad(replayed.sum(), layer.mlp.gate.weight, retain_graph=True)
        assert gradient.abs().max() > 0
    assert moe.routes is None


def test_replay_makes_the_ratio_continuous(moe):
    """A tiny step changes log-probabilities little with replay; without it, they jump where an expert changes."""
    ids = tokens(64, 40)
    with torch.no_grad():
        logp, choice = scored(moe, ids)
        noise = [torch.randn(p.shape, generator=torch_stream(i, "noise")) for i, p in enumerate(moe.parameters())]
        for parameter, direction in zip(moe.parameters(), noise, strict=True):
            parameter.add_(direction, alpha=1e-4)
        free, today = scored(moe, ids)
        replayed, _ = scored(moe, ids, choice)
    flipped = (choice != today).any(-1).any(-1)[:, -9:-1]
    assert flipped.any()
    assert (free - logp)[flipped].abs().max() > 5 * (replayed - logp).abs().max()


def spec(lr=3e-4, replay=True, epochs=1, engine=None, minibatches=2):
    method = load_methods("config/methods.yaml")["grpo_r2"].model_copy(update={"routing_replay": replay})
    return TrainSpec(
        task="math",
        regime_name="test",
        method_name="mine",
        seed=0,
        method=method,
        regime=Regime(rollouts=2, minibatches=minibatches, epochs=epochs, optimizer=Adam(lr=lr)),
        protocol=PROTOCOL,
        sampling=Sampling(prompts=4, group=4),
        engine=engine or EngineConfig(),
        checkpoint_every=1,
    )


def start_of(policy, tokenizer, problems, chosen, rewards=(1.0, 0.0, 0.0)):
    """A run's state and context. Rewards alternate and do not depend on the completions."""
    cycle = itertools.cycle(rewards)
    judge = each(lambda text, example, cut: Verdict(next(cycle), {}, None, "wrong"))
    task_setup = dataclasses.replace(load_task_setup("math", PROTOCOL), judge=judge)
    engine = TorchEngine(policy, chosen.engine, chosen.regime.optimizer, Ranks())
    context = RunContext(chosen, TorchSampler(policy), compact_text(tokenizer), task_setup, problems)
    return State.first(engine, chosen), context


def run(policy, tokenizer, problems, chosen, **how):
    state, context = start_of(policy, tokenizer, problems, chosen, **how)
    train(state, context)
    return state.history.updates


MICRO_BATCHES = [
    EngineConfig(),
    EngineConfig(tokens=200),
    EngineConfig(tokens=200, packed=True),
    EngineConfig(tokens=200, logits=16),
]


@pytest.mark.parametrize("engine", MICRO_BATCHES)
def test_the_first_ratios_are_exactly_1_with_replay(engine, moe, tokenizer, problems):
    chosen = spec(engine=engine, minibatches=1)
    first, second = run(moe, tokenizer, problems, chosen)
    assert first["log_ratio_max"] == second["log_ratio_max"] == 0
    assert first["routing_drift"] == 0


def test_a_step_of_size_zero_changes_no_expert(moe, tokenizer, problems):
    for row in run(moe, tokenizer, problems, spec(lr=1e-30, epochs=2)):
        assert row["routing_churn"] == row["routing_drift"] == 0
        assert row["log_ratio_max"] <= APART


def test_a_large_step_changes_experts(moe, tokenizer, problems):
    rows = run(moe, tokenizer, problems, spec(lr=1e-2, epochs=2, replay=False))
    assert all(0 < row["routing_churn"] < 1 for row in rows)
    assert rows[3]["routing_drift"] > rows[0]["routing_drift"] == 0


@pytest.mark.parametrize("engine", MICRO_BATCHES[1:])
def test_micro_batches_replay_the_same_routes(engine, moe, tokenizer, problems):
    """An update gives the same numbers however it is divided, even after routers have changed since the rollout."""
    plain = spec(minibatches=1)
    rollout = sample_rollout(*start_of(copy.deepcopy(moe), tokenizer, problems, plain))
    with torch.no_grad():
        for i, parameter in enumerate(moe.parameters()):
            parameter.add_(torch.randn(parameter.shape, generator=torch_stream(i, "noise")), alpha=3e-3)
    found = []
    for how in (EngineConfig(), engine):
        chosen = spec(engine=how, minibatches=1)
        trainer = TorchEngine(copy.deepcopy(moe), how, chosen.regime.optimizer, Ranks())
        (rows,) = minibatches(rollout.order, chosen.regime)
        found.append(update(trainer, rollout, rows, chosen, 0))
    assert found[0]["routing_drift"] > 0
    for name in ("loss", "grad_norm", "kl", "routing_drift"):
        assert found[1][name] == pytest.approx(found[0][name], rel=NEAR, abs=NEAR), name


def test_a_rollout_without_signal_leaves_the_same_columns(moe, tokenizer, problems):
    flat = run(moe, tokenizer, problems, spec(), rewards=(1.0,))
    assert flat[0].keys() == run(moe, tokenizer, problems, spec())[0].keys()


def test_policies_without_experts_log_no_routes(policy, tokenizer, problems):
    assert not any(name.startswith("routing") for name in run(policy, tokenizer, problems, spec(replay=False))[0])


def test_replay_without_experts_is_refused(policy, tokenizer, problems):
    with pytest.raises(BadInput, match=r"methods\.mine\.routing_replay: expected a policy with experts"):
        run(policy, tokenizer, problems, spec())


def test_routes_survive_a_checkpoint(moe, tokenizer, problems):
    chosen = spec()
    state, context = start_of(moe, tokenizer, problems, chosen)
    state.waiting.append(sample_rollout(state, context))
    routes = state.waiting[0].routes
    assert routes.shape[2:] == (2, 2)
    assert len(routes.unique()) == 8
    other = State.first(state.engine, chosen)
    unpack(other, *pack(state))
    assert torch.equal(other.waiting[0].routes, routes)


def test_changed_experts_are_counted_for_sampled_tokens_only():
    """One row with a prompt of two tokens: the experts at position 1 give the first sampled token."""
    mask = torch.tensor([[True, False, True]])
    empty = torch.zeros(1, 3)
    starts = torch.tensor([2])
    facts = (torch.zeros(1, 1, dtype=torch.long), torch.zeros(1), torch.zeros(1, 1), mask, {})
    rollout = Rollout(torch.zeros(1, 5), starts, torch.tensor([3]), mask, empty, empty, *facts)
    one = torch.tensor([[[[0, 1]], [[0, 1]], [[0, 1]], [[0, 1]]]])
    other = torch.tensor([[[[5, 6]], [[1, 2]], [[5, 6]], [[1, 0]]]])
    assert changed_experts(one, other, rollout, torch.tensor([0])).tolist() == [1, 4]
    assert changed_experts(one, other, rollout, torch.tensor([], dtype=torch.long)).tolist() == [0, 0]
