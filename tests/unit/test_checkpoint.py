"""Checkpoints are complete or absent after a kill at any moment, and are not used if a byte has changed."""

import errno
import os
import signal
import sys

import pytest
import torch

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import TryAgain
from smoothgates.io.files import digest
from smoothgates.train.run import checkpoint

FILES = ["manifest.json", "rank0.safetensors", "state.safetensors"]
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}


def save(folder, number, files=None):
    tensors = {"none": torch.zeros(0, 3), "nan": torch.tensor(float("nan"))}
    part = {"weights": torch.full((50,), float(number))}
    checkpoint.save(folder, tensors, {"number": number, "exact": 0.1 + number}, files or {}, Ranks(), part)


def number_of(folder):
    """The number of the checkpoint that is loaded; checks that its parts belong together."""
    found = checkpoint.load(folder, Ranks())
    if found is None:
        return None
    tensors, plain, path = found
    assert checkpoint.read_part(path, Ranks())["weights"].eq(plain["number"]).all()
    assert plain["exact"] == 0.1 + plain["number"]
    assert tensors["none"].shape == (0, 3)
    assert tensors["nan"].isnan()
    return plain["number"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_last_two_checkpoints_are_kept(tmp_path):
    assert number_of(tmp_path / "none yet") is None
    for number in range(1, 5):
        save(tmp_path, number)
        assert number_of(tmp_path) == number
    assert names(tmp_path) == ["000003", "000004", "LATEST"]
    assert (tmp_path / "LATEST").read_text() == "000004"
    assert names(tmp_path / "000004") == FILES


def changes_in(act, die_at=0):
    """Call `act` in a child, killed before its n-th change of a file or folder. Returns the number of changes."""
    read, write = os.pipe()
    if not (child := os.fork()):
        made = 0

        def hook(event, arguments):
            nonlocal made
            opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if opened or event in CHANGES:
                made += 1
                if made == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            act()
            os.write(write, str(made).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return int(told or -1)


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_checkpoint(tmp_path):
    folder = tmp_path / "probe"
    for number in (1, 2):
        save(folder, number)
    changes = changes_in(lambda: save(folder, 3))
    assert changes > 10
    seen = set()
    for moment in range(1, changes + 1):
        folder = tmp_path / str(moment)
        for number in (1, 2):
            save(folder, number)
        assert changes_in(lambda at=folder: save(at, 3), die_at=moment) == -1
        seen.add(number_of(folder))
        save(folder, 4)
        assert number_of(folder) == 4
        assert len(names(folder)) == 3, "what killed processes left is deleted"
        assert {name for name in names(folder) if name != "LATEST"} == {*(p.name for p in checkpoint.complete(folder))}
        assert names(folder / names(folder)[1]) == FILES
    assert seen == {2, 3}


@pytest.mark.parametrize("name", FILES)
def test_every_changed_byte_is_detected(name, tmp_path, capsys):
    for number in (1, 2):
        save(tmp_path, number)
    path = tmp_path / "000002" / name
    data = path.read_bytes()
    for at in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        assert number_of(tmp_path) == 1, f"byte {at}"
    assert str(path.parent) in capsys.readouterr().err
    path.write_bytes(data)
    assert number_of(tmp_path) == 2


@pytest.mark.parametrize("name", FILES)
def test_truncated_or_missing_files_are_detected(name, tmp_path, capsys):
    for number in (1, 2):
        save(tmp_path, number)
    path = tmp_path / "000002" / name
    data = path.read_bytes()
    for length in (0, 1, len(data) // 2, len(data) - 2):
        path.write_bytes(data[:length])
        assert number_of(tmp_path) == 1
    path.unlink()
    capsys.readouterr()
    assert number_of(tmp_path) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert str(path) in told[0]
    assert "trying an earlier checkpoint" in told[0]


def test_a_missing_checkpoint_is_reported(tmp_path, capsys):
    for number in (1, 2):
        save(tmp_path, number)
    checkpoint.shutil.rmtree(tmp_path / "000002")
    assert number_of(tmp_path) == 1
    assert "000002: this checkpoint is missing" in capsys.readouterr().err


def test_without_an_intact_checkpoint_the_run_starts_over(tmp_path, capsys):
    for number in (1, 2):
        save(tmp_path, number)
        (tmp_path / f"{number:06d}/state.safetensors").write_bytes(b"")
    assert number_of(tmp_path) is None
    assert "starting over" in capsys.readouterr().err


def test_files_that_a_checkpoint_relies_on_are_verified(tmp_path, capsys):
    folder, other = tmp_path / "checkpoints", tmp_path / "kept/model"
    other.parent.mkdir()
    other.write_bytes(b"weights")
    save(folder, 1)
    save(folder, 2, {other: digest(other)})
    assert number_of(folder) == 2
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert number_of(moved / "checkpoints") == 2
    (moved / "kept/model").write_bytes(b"weight5")
    assert number_of(moved / "checkpoints") == 1
    assert "kept/model: damaged" in capsys.readouterr().err


@pytest.mark.parametrize("call", ["fsync", "mkdir", "rename"])
def test_a_failed_save_leaves_earlier_checkpoints_untouched(call, tmp_path, monkeypatch):
    for number in (1, 2):
        save(tmp_path, number)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(TryAgain, match=r"no checkpoint can be saved \(No space left on device\)"):
            save(tmp_path, 3)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    save(tmp_path, 3)
    assert number_of(tmp_path) == 3
