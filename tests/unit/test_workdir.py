"""A work directory that another process has deleted is not created again."""

import shutil

import pytest

from smoothgates.errors import TryAgain
from smoothgates.train.run.workdir import WorkDir


@pytest.mark.parametrize("write", [lambda work: work.note(1), lambda work: work.empty_folder("weights")])
def test_a_process_suspended_between_check_and_write_leaves_nothing_behind(write, tmp_path, monkeypatch):
    work = WorkDir(tmp_path / "work", tmp_path / "model.json", wait=0)
    shutil.rmtree(work.folder)
    checks = iter([None, TryAgain("lost")])
    monkeypatch.setattr(work.lease, "check", lambda: _raise(next(checks)))
    with pytest.raises((TryAgain, OSError)):
        write(work)
    work.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def _raise(error: Exception | None) -> None:
    if error:
        raise error
