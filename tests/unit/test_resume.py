"""A run that is saved and restored between any two acts is the run that was not."""

import copy
import dataclasses
import math
import signal
import time
import zlib
from functools import partial

import pytest

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.text import compact_text
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol, Sampling
from smoothgates.specs.train import Regime, TrainSpec
from smoothgates.study.loader import load_study
from smoothgates.tasks.task import Verdict, each
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.loop import train
from smoothgates.train.means import Means
from smoothgates.train.run import checkpoint
from smoothgates.train.run.state import State, pack, unpack
from smoothgates.train.run.stop import Stop

PROTOCOL = Protocol(reward="exact", max_new_tokens=6)
REGIMES = {
    "near": {"rollouts": 4, "minibatches": 2},
    "lag": {"rollouts": 3, "minibatches": 2, "lag": 2},
    "reuse": {"rollouts": 2, "minibatches": 3, "epochs": 2},
}


class Stopped(Exception):
    """Raised between two acts."""


def spec_of(regime: str, lr: float = 3e-3) -> TrainSpec:
    return TrainSpec(
        task="math",
        regime_name=regime,
        method_name="erf",
        seed=3,
        method=load_study("laptop").methods["erf"],
        regime=Regime(**REGIMES[regime], optimizer=Adam(lr=lr, warmup=3)),
        protocol=PROTOCOL,
        sampling=Sampling(prompts=2, group=4),
        checkpoint_every=1,
    )


def judge(text, example, cut):
    """A reward that hangs on every token: groups without variance are among those that come."""
    reward = float(zlib.crc32(text.encode()) % 5 == 0)
    return Verdict(reward, {}, None, "correct" if reward else "wrong")


@pytest.fixture
def task_setup():
    return dataclasses.replace(load_task_setup("math", PROTOCOL), judge=each(judge))


@pytest.fixture
def go_on(tokenizer, problems, task_setup):
    """Train on from a state."""

    def go_on(state: State, spec: TrainSpec, **between) -> None:
        sampler = TorchSampler(state.engine.policy)
        train(state, Means(state.engine, sampler, compact_text(tokenizer), task_setup, problems), spec, **between)

    return go_on


def begin(policy: Decoder, spec: TrainSpec) -> State:
    return State.first(TorchEngine(policy, spec.engine, spec.regime.optimizer, Ranks()), spec)


def copy_of(state: State, spec: TrainSpec, folder) -> State:
    """Through the disk, into a policy of its own."""
    checkpoint.save(folder, *pack(state), {}, Ranks(), state.engine.tensors())
    tensors, plain, path = checkpoint.load(folder, Ranks())
    restored = begin(Decoder(state.engine.policy.arch), spec)
    unpack(restored, tensors, plain)
    restored.engine.load(checkpoint.read_part(path, Ranks()))
    return restored


def assert_same(a: State, b: State) -> None:
    (tensors, plain), (others, rest) = pack(a), pack(b)
    tensors, others = a.engine.tensors() | tensors, b.engine.tensors() | others
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == others[name].dtype
        assert tensor.detach().numpy().tobytes() == others[name].detach().numpy().tobytes(), name
    timed = {"seconds", "spent"}
    assert {k: v for k, v in plain.items() if k not in timed} == {k: v for k, v in rest.items() if k not in timed}
    assert [row["rollout"] for row in a.history.seconds] == [row["rollout"] for row in b.history.seconds]


@pytest.mark.parametrize("regime", REGIMES)
def test_stopped_after_every_act(regime, policy, go_on, tmp_path):
    spec = spec_of(regime)
    whole = begin(copy.deepcopy(policy), spec)
    go_on(whole, spec)

    def stop():
        raise Stopped

    state, stops, inside = begin(policy, spec), 0, 0
    while state.history.rollouts < spec.regime.rollouts:
        with pytest.raises(Stopped):
            go_on(state, spec, between=stop)
        state = copy_of(state, spec, tmp_path)
        stops, inside = stops + 1, inside + bool(state.batches)
    assert_same(state, whole)
    assert stops > spec.regime.rollouts + len(whole.history.updates)
    assert inside >= 2, "stops in the middle of a rollout's updates are what this is about"
    assert whole.history.steps > 3


def test_a_divergence_is_restored_as_it_is(policy, go_on, tmp_path):
    spec = spec_of("reuse", lr=1e30)
    state = begin(policy, spec)
    go_on(state, spec)
    assert state.history.status == "diverged"
    assert math.isnan(state.history.updates[-1]["grad_norm"])
    restored = copy_of(state, spec, tmp_path)
    assert_same(restored, state)
    go_on(restored, spec)
    assert_same(restored, state)


def test_nothing_has_happened_yet(policy, tmp_path):
    spec = spec_of("near")
    state = begin(policy, spec)
    assert_same(copy_of(state, spec, tmp_path), state)


def test_a_signal_asks_once_and_then_ends(request):
    # Whoever started the tests may have had it ignored, as shells do for what runs in the background.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Stop() as stop:
        assert stop.reason(0) is None
        signal.raise_signal(signal.SIGINT)
        assert stop.reason(0) == "asked to by SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_budget_leaves_time_to_save_and_for_another_act():
    stop = Stop(wall_minutes=10)
    stop.began -= 500
    assert stop.reason(10) is None  # until 600 - (60 + 2 * 10) = 520
    stop.longest = 30
    assert stop.reason(10) == "its time is nearly up"
    short = Stop(wall_minutes=1)
    short.began = time.monotonic() - 44
    assert short.reason(1000) is None  # never more than a quarter is kept back
    short.began -= 2
    assert short.reason(0)
    assert Stop().reason(1000) is None
