"""An update does not depend on its micro-batches: padded or packed, with logits in chunks or not, in any order of rows.

The most common fault of public trainers is a normaliser that depends on the split. These tests make one update on
sixteen rows in many ways, for every gate with every aggregation and ratio.
"""

import copy
import dataclasses
import itertools

import pytest
import torch
from rounding import APART, BACKWARD, ulps

from smoothgates.distributed.ranks import Ranks
from smoothgates.methods.method import Covariance, Method
from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.logprob import Scorer
from smoothgates.rollout.collect import Rollout
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import ExpertsConfig
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.train import EngineConfig, Regime, Sampling, TrainSpec
from smoothgates.study.loader import load_study
from smoothgates.train import accumulate, step
from smoothgates.train.accumulate import old_logprobs
from smoothgates.train.engine.engine import Sequences
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.microbatch import deal
from smoothgates.train.routing_replay import CHURN
from smoothgates.train.step import epoch_orders, update

METHODS = load_methods("config/methods.yaml")
RATIOS = ("token", "sequence", "sequence_token", "product")
AGGREGATIONS = ("sequence_mean", "token_mean", {"constant": 20})
ROWS = 16
LONGEST = 27
PLAIN = EngineConfig()
WAYS = {
    "few at a time": EngineConfig(tokens=4 * LONGEST),
    "one at a time": EngineConfig(tokens=1),
    "packed": EngineConfig(packed=True),
    "chunked": EngineConfig(logits=16),
    "all": EngineConfig(tokens=4 * LONGEST, packed=True, logits=16, gradient_checkpointing=True),
}


def spec_of(method, engine=PLAIN, lr=1e-3):
    return TrainSpec(
        task="math",
        regime_name="test",
        method_name="test",
        seed=0,
        method=method,
        regime=Regime(rollouts=1, minibatches=1, optimizer=Adam(lr=lr)),
        protocol=Protocol(reward="exact", max_new_tokens=16),
        sampling=Sampling(prompts=4, group=4),
        engine=engine,
        checkpoint_every=1,
    )


@pytest.fixture
def sparse():
    """The laptop policy with experts."""
    experts = ExpertsConfig(count=8, chosen=2, intermediate_size=24)
    arch = load_study("laptop").config.architecture.model_copy(update={"experts": experts})
    return Decoder(arch).initialise(torch_stream(0, "initialise"))


def rollout_of(policy):
    """Rows of different lengths, some with tool replies, sampled by a policy that differs from this one."""
    generator = torch_stream(0, "rollout")
    starts = torch.randint(3, 12, (ROWS,), generator=generator)
    lengths = torch.randint(2, 17, (ROWS,), generator=generator)
    ids = torch.randint(5, 110, (ROWS, int((starts + lengths).max())), generator=generator)
    width = int(lengths.max())
    mask = (torch.arange(width) < lengths.unsqueeze(1)) & (torch.rand(ROWS, width, generator=generator) < 0.9)
    with torch.no_grad():
        logp, _ = Scorer(policy)(ids, starts, lengths)
    old = logp + 0.3 * torch.randn(logp.shape, generator=generator)
    rewards = torch.rand(4, 4, generator=generator)
    rows = torch.arange(ROWS)
    return Rollout(ids, starts, lengths, mask, old, old, rows.unsqueeze(0), rows, rewards, mask, {})


def made(policy, rollout, spec, rows):
    """The metrics and the gradient of one update."""
    engine = TorchEngine(copy.deepcopy(policy), spec.engine, spec.regime.optimizer, Ranks())
    take_step, gradients = engine.step, []

    def watched(rate):
        gradients.extend(engine.gradients)
        return take_step(rate)

    engine.step = watched
    return update(engine, rollout, rows, spec, 0), torch.cat([g.flatten() for g in gradients])


def assert_same(found, expected, method):
    (logged, gradient), (logged_at_once, at_once) = found, expected
    # The error of a log-ratio is that of log-probabilities below 8; the error of φ is that times its slope, about τ.
    steepness = 1 + max(method.scales()) if method.tau or method.half_width else 1
    near = steepness * APART + ulps(BACKWARD, 1)
    assert (gradient - at_once).abs().max() <= near * at_once.abs().max()
    assert logged == pytest.approx(logged_at_once, rel=near, abs=near, nan_ok=True)


def test_the_compared_splits_differ_as_named(policy):
    rollout = rollout_of(policy)
    lengths = (rollout.starts + rollout.lengths).tolist()
    assert max(lengths) <= LONGEST
    counts = {name: len(deal(lengths, 1, way.tokens, way.packed)) for name, way in WAYS.items()}
    assert counts == {"few at a time": 3, "one at a time": 16, "packed": 1, "chunked": 1, "all": 3}


def variants(gate):
    """The gate with every ratio and aggregation, and the methods that use it with weights, a mask or another ratio."""
    rows = [method for method in METHODS.values() if method.gate == gate]
    scale = {key: getattr(rows[0], key) for key in ("tau", "clip", "half_width")}
    for ratio, aggregation in itertools.product(RATIOS, AGGREGATIONS):
        yield Method(gate=gate, ratio=ratio, aggregation=aggregation, **scale)
    yield from (
        method for method in rows if method.weights or method.mask or method.one_sided or method.ratio != "token"
    )


USED = sorted({method.gate for method in METHODS.values()})


@pytest.mark.parametrize("gate", USED)
def test_splitting_an_update_changes_rounding_only(gate, policy):
    """The ways alternate, so that each is tried with every gate, and with every ratio and aggregation."""
    assert len(WAYS) <= min(len(USED), len(RATIOS) * len(AGGREGATIONS))
    rollout, rows = rollout_of(policy), torch.arange(ROWS)
    shuffled = torch.randperm(ROWS, generator=torch_stream(0, "order"))
    ways = itertools.islice(itertools.cycle(WAYS.values()), USED.index(gate), None)
    for method, way in zip(variants(gate), ways, strict=False):
        at_once = made(policy, rollout, spec_of(method), rows)
        assert at_once[1].abs().max() > 0
        assert_same(made(policy, rollout, spec_of(method), shuffled), at_once, method)
        assert_same(made(policy, rollout, spec_of(method, way), shuffled), at_once, method)


def test_an_update_takes_the_gradient_from_tokens_by_their_covariance(policy):
    """All tokens in the window, some, and none."""
    rollout, rows, plain = rollout_of(policy), torch.arange(ROWS), Method(gate="none")
    gradients = []
    for share, window in ((1.0, (-1e3, 1e3)), (0.2, (-1e3, 1e3)), (1.0, (1e3, 2e3))):
        mask = Covariance(kind="covariance", share=share, window=window)
        _, gradient = made(policy, rollout, spec_of(plain.model_copy(update={"mask": mask})), rows)
        gradients.append(gradient)
    all_lost, some_lost, none_lost = gradients
    assert (all_lost == 0).all()
    assert (some_lost - none_lost).abs().max() > 0
    assert torch.equal(none_lost, made(policy, rollout, spec_of(plain), rows)[1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["grpo", "grpo_r2", "gspo"])
def test_splitting_an_update_with_experts_changes_rounding_only(name, way, sparse):
    """Both where routers choose and where a rollout's routes are replayed."""
    rollout, rows = rollout_of(sparse), torch.arange(ROWS)
    chosen = torch.rand(*rollout.ids.shape, *sparse.sparse_shape[:1], 8, generator=torch_stream(0, "experts"))
    rollout = dataclasses.replace(rollout, routes=chosen.topk(sparse.sparse_shape[1]).indices.byte())
    at_once, found = (made(sparse, rollout, spec_of(METHODS[name], how), rows) for how in (PLAIN, WAYS[way]))
    for logged, _ in (at_once, found):
        assert 0 <= logged.pop(CHURN) < 1  # it is measured on the first micro-batch only
    assert_same(found, at_once, METHODS[name])


def test_a_normaliser_that_depends_on_the_split_is_detected(policy, monkeypatch):
    """If each micro-batch were divided by its own rows, these tests would fail."""
    rollout, rows, method = rollout_of(policy), torch.arange(ROWS), METHODS["grpo"]
    at_once = made(policy, rollout, spec_of(method), rows)
    monkeypatch.setattr(step, "policy_loss", lambda *what: policy_loss(*what[:-1]))
    with pytest.raises(AssertionError):
        assert_same(made(policy, rollout, spec_of(method, WAYS["few at a time"]), rows), at_once, method)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("way", ["plain", *WAYS])
def test_first_ratios_are_one_to_the_last_bit(way, dtype, policy, sparse):
    """With any engine, old and new log-probabilities come from the same kernels on the same shapes."""
    engine = WAYS.get(way, PLAIN).model_copy(update={"dtype": dtype})
    for own in (policy, sparse):
        spec = spec_of(METHODS["gspo"], engine, lr=1e-30)
        trainer, rollout = TorchEngine(own, engine, spec.regime.optimizer, Ranks()), rollout_of(own)
        order = epoch_orders(ROWS, spec.regime, torch_stream(0, "order"))
        with torch.no_grad():
            sequences = Sequences(rollout.ids, rollout.starts, rollout.lengths)
            old, routes = old_logprobs(trainer, sequences, rollout.mask.shape[1], [order[0]], engine)
        rollout = dataclasses.replace(rollout, old_logp=old, order=order, routes=routes)
        logged = update(trainer, rollout, order[0], spec, 0)
        assert logged["log_ratio_max"] == 0
        assert logged["eur"] == 1
        assert logged["grad_norm"] > 0


def test_an_update_makes_its_diagnostics_once(policy, monkeypatch):
    made_from = []
    monkeypatch.setattr(accumulate, "update_diagnostics", lambda terms: made_from.append(terms) or {})
    made(policy, rollout_of(policy), spec_of(METHODS["grpo"], WAYS["one at a time"]), torch.arange(ROWS))
    assert [len(terms.valid) for terms in made_from] == [ROWS]
