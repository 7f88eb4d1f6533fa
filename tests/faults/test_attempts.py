"""What an attempt resumes from earlier ones, and what it does not."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from smoothgates.train import loop

from .rig import attempt, start, wait

KILLED = -signal.SIGKILL


def only(folder: Path) -> Path:
    """The only entry of a folder."""
    [found] = folder.iterdir()
    return found


@pytest.fixture
def half(run):
    """A run that was killed half-way."""
    assert attempt(run, die_at=250) == KILLED
    return run


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"checkpoint_every": 2}, {"method": {"gate": "erf", "tau": [9.0, 9.0]}}]
)
def test_a_changed_run_does_not_resume_from_it(half, changes):
    other = type(half)(half.inputs, half.folder, {**half.spec, **changes})
    assert attempt(other) == 0
    assert "resuming" not in other.log
    apart = half.elsewhere("apart", **changes)
    assert attempt(apart) == 0
    assert other.result() == apart.result()


def test_other_data_are_another_run(half, tmp_path):
    inputs = tmp_path / "inputs"
    shutil.copytree(half.inputs, inputs)
    manifest = inputs / "data/manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 7'))
    assert attempt(type(half)(inputs, half.folder, half.spec)) == 0
    assert "resuming" not in half.log


def test_fresh_starts_over(half, undisturbed):
    assert attempt(half, fresh=True) == 0
    assert "resuming" not in half.log
    assert half.result() == undisturbed[0]
    assert len(half.attempts) == 1


def test_a_finished_run_leaves_no_checkpoints_and_is_repeated_on_request(run, undisturbed):
    for times in (1, 2):
        assert attempt(run) == 0
        assert list(run.work.iterdir()) == []
        assert run.updates == times * undisturbed[1]
        assert run.result() == undisturbed[0]


def test_a_new_result_keeps_no_file_of_an_earlier_one(run, undisturbed):
    for name in (
        "checkpoints/rollout0009/model.safetensors",
        "weights/old.bin",
        ".model.json.123@elsewhere.smoothgates",
    ):
        path = run.folder / "result" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    assert attempt(run) == 0
    assert run.result() == undisturbed[0]


def test_a_result_that_was_complete_when_its_process_died_is_not_made_twice(run, undisturbed):
    assert attempt(run) == 0
    changes = int(run.log.rpartition("changes: ")[2])
    again = run.elsewhere("again")
    assert attempt(again, die_at=changes - 12) == KILLED
    assert '"finished"' in only(again.work).joinpath("attempts.jsonl").read_text()
    assert attempt(again) == 0
    assert "already finished" in again.log
    assert again.updates == undisturbed[1]
    assert again.result() == undisturbed[0]
    assert list(again.work.iterdir()) == []


def test_a_failure_that_a_retry_repeats_is_refused(run):
    tight = run.elsewhere("tight", protocol={"reward": "exact", "max_new_tokens": 200})  # the policy has 128 positions
    assert attempt(tight) == 2
    marker = only(tight.work) / "failed.json"
    assert "max_position_embeddings: 128 is too few" in json.loads(marker.read_text())["cause"]
    assert attempt(tight) == 2
    last = tight.log.splitlines()[-1]
    assert str(marker) in last
    assert "failed before" in last
    assert "--fresh" in last
    assert attempt(tight, fresh=True) == 2
    assert "failed before" not in tight.log.splitlines()[-1]
    marker.unlink()
    assert attempt(tight) == 2
    assert "failed before" not in tight.log.splitlines()[-1]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), MemoryError()])
def test_out_of_memory_says_what_to_lower_and_is_not_tried_again(error, run, monkeypatch):
    def update(*_):
        raise error

    monkeypatch.setattr(loop, "update", update)
    assert attempt(run) == 2
    assert run.log.splitlines()[-1].startswith("error: engine.tokens: out of memory with a whole minibatch at once")
    assert attempt(run) == 2
    assert "failed before: engine.tokens: out of memory" in run.log.splitlines()[-1]


def test_a_missing_input_is_not_recorded_as_a_failure(run, undisturbed, tmp_path):
    inputs = tmp_path / "inputs"
    shutil.copytree(run.inputs, inputs)
    (inputs / "data/train.parquet").rename(tmp_path / "aside")
    mended = type(run)(inputs, run.folder, run.spec)
    assert attempt(mended) == 2
    assert "train.parquet: no such file" in mended.log
    (tmp_path / "aside").rename(inputs / "data/train.parquet")
    assert attempt(mended) == 0
    assert mended.result() == undisturbed[0]


@pytest.mark.parametrize("harm", ["cut", "flip", "delete"])
@pytest.mark.parametrize("name", ["rank0.safetensors", "state.safetensors", "manifest.json", None, "LATEST"])
def test_a_damaged_checkpoint_is_not_used(half, undisturbed, harm, name):
    """None stands for a policy of the learning curve, on which the newest checkpoints rely."""
    folder = only(half.work)
    newest = max(path for path in folder.joinpath("checkpoints").iterdir() if path.name.isdigit())
    path = newest / name if name else folder / "result/checkpoints/rollout0001/model.safetensors"
    if name == "LATEST":
        path = newest.parent / name
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
    path.unlink() if harm == "delete" else path.write_bytes(data[: len(data) // 2] if harm == "cut" else data)
    assert attempt(half) == 0, half.log
    assert half.result() == undisturbed[0]
    if name != "LATEST":
        assert "trying an earlier checkpoint" in half.log
        assert str(path) in half.log


def test_a_policy_that_is_no_longer_finite_is_a_result(run):
    """With and without interruption."""
    wild = run.elsewhere("wild", regime={**run.spec["regime"], "optimizer": {"lr": 1e30}})
    assert attempt(wild) == 0
    manifest = json.loads((wild.folder / "result/model.json").read_text())
    assert manifest["status"] == "diverged"
    changes = int(wild.log.rpartition("changes: ")[2])
    for moment in range(60, changes, 20):
        disturbed = wild.elsewhere(f"at{moment}")
        assert attempt(disturbed, die_at=moment) == KILLED
        assert attempt(disturbed) == 0, disturbed.log
        assert disturbed.result() == wild.result()


def test_two_processes_at_once_make_one_result(run, undisturbed):
    for time in range(20):
        pair = run.elsewhere(f"pair{time}")
        children = [start(pair), start(pair)]
        ends = [wait(child) for child in children]
        assert sorted(ends) == [0, 75], pair.log
        assert ": held by process" in pair.log
        assert pair.updates == undisturbed[1]
        assert pair.result() == undisturbed[0]


def test_a_waiting_process_finds_the_run_finished(run, undisturbed):
    for time in range(5):
        pair = run.elsewhere(f"pair{time}")
        children = [start(pair, wait=60), start(pair, wait=60)]
        assert [wait(child) for child in children] == [0, 0], pair.log
        assert "already finished by another process" in pair.log
        assert pair.updates == undisturbed[1]
        assert pair.result() == undisturbed[0]
        assert list(pair.work.iterdir()) == []
