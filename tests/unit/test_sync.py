"""Weight sync: the sampler has the trainer's weights, or the run stops."""

import copy
import shutil

import pytest
import torch
from rounding import APART

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import TryAgain
from smoothgates.policy.save import save_policy
from smoothgates.policy.text import compact_text
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.train import EngineConfig
from smoothgates.tasks.task import Prompt
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.sync import PROBE_PROMPTS, make_sync


@pytest.fixture
def prompts(problems, tokenizer):
    return compact_text(tokenizer).prompts(Prompt(), [p.question for p in problems[:PROBE_PROMPTS]])


@pytest.fixture
def engine(policy):
    return TorchEngine(policy, EngineConfig(), Adam(lr=1e-3), Ranks())


class Run:
    """An engine, a sampler with a separate policy, and the folder through which weights pass."""

    def __init__(self, engine, tokenizer, prompts, folder, dtype="float32"):
        self.engine, self.steps, self.given = engine, 0, []
        self.sampler = TorchSampler(copy.deepcopy(engine.policy))
        self.like, self.folder = folder / "start", folder / "weights"
        save_policy(self.like, engine.policy, tokenizer)
        real = self.sampler.load
        self.sampler.load = lambda path: (self.given.append(path), real(path))
        self.copy_if_changed = make_sync(engine, self.sampler, dtype, prompts, self.new_folder, self.like)

    def sync(self):
        self.copy_if_changed(self.steps)

    def new_folder(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        return self.folder

    @torch.no_grad()
    def update(self, size=0.02):
        for parameter in self.engine.policy.parameters():
            parameter += size * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(self.steps))
        self.steps += 1


@pytest.fixture
def run(engine, tokenizer, prompts, tmp_path):
    return Run(engine, tokenizer, prompts, tmp_path)


def test_a_sampler_that_shares_the_policy_is_not_synchronised(engine, prompts, tmp_path):
    def never():
        raise AssertionError("nothing should be written")

    sync = make_sync(engine, TorchSampler(engine.policy), "float32", prompts, never, tmp_path)
    sync(1)


def test_each_change_is_copied_once_through_one_folder(run):
    run.sync()
    assert run.given == []
    for n in (1, 2, 3):
        run.update()
        run.sync()
        run.sync()
        assert run.given == [run.folder] * n
        for a, b in zip(run.sampler.policy.parameters(), run.engine.policy.parameters(), strict=True):
            assert torch.equal(a, b)
    assert {path.name for path in run.folder.iterdir()} == {path.name for path in run.like.iterdir()}


def test_a_resumed_run_copies_its_weights_first(run):
    """The sampler starts with the weights of the run's start."""
    run.update()
    run.sync()
    assert run.given == [run.folder]


@pytest.mark.parametrize("size", [0.02, 0.001])
def test_a_reload_that_does_nothing_is_caught(size, run):
    run.sync()
    run.sampler.load = lambda folder: None
    run.update(size)
    with pytest.raises(AssertionError, match=r"of rank 0 does not have the trainer's weights: its .* have not moved"):
        run.sync()


def test_a_reload_of_old_weights_is_caught(run):
    real = run.sampler.load
    run.sync()
    run.update()
    run.sync()
    run.update()
    run.sampler.load = lambda folder: real(run.like)
    with pytest.raises(AssertionError, match=r"does not have the trainer's weights: .* are off by 0\.\d+ on average"):
        run.sync()


def test_weights_that_are_not_finite_are_caught(run):
    run.sync()
    run.update()
    with torch.no_grad():
        run.engine.policy.model.norm.weight[0] = torch.nan
    with pytest.raises(AssertionError, match="off by inf"):
        run.sync()


def test_a_missing_update_below_the_tolerance_is_caught_too(engine, tokenizer, prompts, tmp_path):
    """In bfloat16 rounding may exceed an update, but the sampler's log-probabilities must change at all."""
    run = Run(engine, tokenizer, prompts, tmp_path, "bfloat16")
    run.sync()
    run.update(0.001)
    run.sync()
    run.sampler.load = lambda folder: None
    run.update(0.001)
    with pytest.raises(AssertionError, match="have not moved with the trainer's"):
        run.sync()


def test_an_update_of_size_zero_may_leave_the_sampler_unchanged(engine, tokenizer, prompts, tmp_path):
    run = Run(engine, tokenizer, prompts, tmp_path, "bfloat16")
    run.sync()
    run.update(0.0)
    run.sync()
    assert run.given == [run.folder]


def test_both_sides_score_the_whole_probe_alike(run, prompts):
    ours, theirs = run.copy_if_changed.probe()
    assert len(ours) == len(theirs) == sum(len(prompt) - 1 for prompt in prompts)
    assert ours == pytest.approx(theirs, abs=APART)


def test_a_full_disk_is_tried_again(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    run.update()
    monkeypatch.setattr("smoothgates.train.sync.write_like", full)
    with pytest.raises(TryAgain, match=r"weights: cannot be written \(No space left on device\)"):
        run.sync()
