"""A run saved and restored after any pass of the training loop equals one that was not interrupted."""

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
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.train import Regime, Sampling, TrainSpec
from smoothgates.study.loader import load_study
from smoothgates.tasks.task import Verdict, each
from smoothgates.train.context import RunContext
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.loop import train
from smoothgates.train.run import checkpoint
from smoothgates.train.run.state import State, pack, unpack
from smoothgates.train.run.stop import Stop

PROTOCOL = Protocol(reward="exact", max_new_tokens=6)
REGIMES = {
    "near": {"rollouts": 4, "minibatches": 2},
    "lag": {"rollouts": 3, "minibatches": 2, "lag": 2},
    "reuse": {"rollouts": 2, "minibatches": 3, "epochs": 2},
    "noise": {"rollouts": 3, "minibatches": 2, "lag": 1, "noise": 0.1},
}


class Stopped(Exception):
    """Raised between two passes of the training loop."""


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
    """A reward that depends on every token; some groups have no variance."""
    reward = float(zlib.crc32(text.encode()) % 5 == 0)
    return Verdict(reward, {}, None, "correct" if reward else "wrong")


@pytest.fixture
def task_setup():
    return dataclasses.replace(load_task_setup("math", PROTOCOL), judge=each(judge))


@pytest.fixture
def resume(tokenizer, problems, task_setup):
    """Train from a state."""

    def resume(state: State, spec: TrainSpec, **after_each) -> None:
        sampler = TorchSampler(state.engine.policy)
        train(state, RunContext(spec, sampler, compact_text(tokenizer), task_setup, problems), **after_each)

    return resume


def begin(policy: Decoder, spec: TrainSpec) -> State:
    return State.first(TorchEngine(policy, spec.engine, spec.regime.optimizer, Ranks()), spec)


def copy_of(state: State, spec: TrainSpec, folder) -> State:
    """A state restored from disk, with another policy."""
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
def test_a_run_stopped_after_every_pass_gives_the_same_bits(regime, policy, resume, tmp_path):
    spec = spec_of(regime)
    whole = begin(copy.deepcopy(policy), spec)
    resume(whole, spec)

    def stop():
        raise Stopped

    state, stops, inside = begin(policy, spec), 0, 0
    while state.history.rollouts < spec.regime.rollouts:
        with pytest.raises(Stopped):
            resume(state, spec, after_each=stop)
        state = copy_of(state, spec, tmp_path)
        stops, inside = stops + 1, inside + bool(state.batches)
    assert_same(state, whole)
    assert stops > spec.regime.rollouts + len(whole.history.updates)
    assert inside >= 2, "some stops must lie between a rollout's updates"
    assert whole.history.steps > 3


def test_a_diverged_state_is_restored(policy, resume, tmp_path):
    spec = spec_of("reuse", lr=1e30)
    state = begin(policy, spec)
    resume(state, spec)
    assert state.history.status == "diverged"
    assert math.isnan(state.history.updates[-1]["grad_norm"])
    restored = copy_of(state, spec, tmp_path)
    assert_same(restored, state)
    resume(restored, spec)
    assert_same(restored, state)


def test_a_state_before_the_first_rollout_is_restored(policy, tmp_path):
    spec = spec_of("near")
    state = begin(policy, spec)
    assert_same(copy_of(state, spec, tmp_path), state)


def test_a_first_signal_requests_a_stop_and_a_second_ends_the_process(request):
    # SIGINT may be ignored, as it is in processes that a shell runs in the background.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Stop() as stop:
        assert stop.reason(0) is None
        signal.raise_signal(signal.SIGINT)
        assert stop.reason(0) == "received SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_budget_leaves_time_to_save_and_for_another_pass():
    stop = Stop(wall_minutes=10)
    stop.began -= 500
    assert stop.reason(10) is None  # until 600 - (60 + 2 * 10) = 520
    stop.longest = 30
    assert stop.reason(10) == "the time limit is near"
    short = Stop(wall_minutes=1)
    short.began = time.monotonic() - 44
    assert short.reason(1000) is None  # at most a quarter of the budget is reserved
    short.began -= 2
    assert short.reason(0)
    assert Stop().reason(1000) is None
