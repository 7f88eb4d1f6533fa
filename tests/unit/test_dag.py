"""Around Snakemake: one at a time for a study, no lock outlives its owner, and a failure ends with its cause."""

import errno
import fcntl
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from smoothgates.errors import BadInput
from smoothgates.io.files import guarded
from smoothgates.jobs.snakemake.causes import Causes
from smoothgates.jobs.snakemake.exclusive import FOLDER, LOCKS, alone
from smoothgates.jobs.snakemake.rounds import plan_round
from smoothgates.jobs.snakemake.run import check_writable
from smoothgates.ops.controller_lock import ControllerLock


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lock(name: str, *files: str):
    """As Snakemake leaves one."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    (LOCKS / name).write_text("".join(f"{file}\n" for file in files))
    return LOCKS / name


def test_a_study_is_held_once_and_others_beside_it(here):
    named = rf"results/mine: process {os.getpid()} on \S+ \(since \d{{4}}.*\) is at work"
    with alone("mine"), alone("other"), pytest.raises(BadInput, match=named), alone("mine"):
        pass
    with alone("mine"):
        pass
    assert (FOLDER / "mine").read_text() == "", "an orderly end leaves nothing to clear up"


def test_the_lock_of_a_killed_one_is_cleared_and_no_other(here, capsys):
    hold = (
        "import os\nfrom smoothgates.jobs.snakemake.exclusive import alone\nwith alone('mine'): os.kill(os.getpid(), 9)"
    )
    killed = subprocess.Popen([sys.executable, "-c", hold])
    killed.wait()
    stale = lock("0.output.lock", "results/mine/data/math/manifest.json")
    live = lock("1.output.lock", "results/mine_too/data/math/manifest.json")
    with alone("mine"):
        assert not stale.exists()
        assert live.exists()
    assert f"cleared the lock of process {killed.pid} " in capsys.readouterr().err


def test_a_file_system_without_locks_is_one_line(here, monkeypatch):
    """Lustre, as many clusters mount it."""

    def none(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", none)
    for hold in (
        lambda: alone("mine").__enter__(),
        lambda: guarded(here / "x").__enter__(),
        lambda: ControllerLock("mine"),
    ):
        with pytest.raises(BadInput, match=r"this file system has no locks \(Function not implemented\)$"):
            hold()


def test_one_on_another_host_is_named_with_the_way_to_unlock(here):
    FOLDER.mkdir(parents=True)
    (FOLDER / "mine").write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": "2026-01-01 10:00:00"}))
    kept = lock("0.output.lock", "results/mine/x")
    named = r"process 7 on elsewhere .*if it is not, remove \.snakemake/studies/mine"
    with pytest.raises(BadInput, match=named), alone("mine"):
        pass
    assert kept.exists()


@pytest.mark.parametrize("name", ["results", "results/mine", "logs", "reports", "work", ".snakemake"])
def test_a_place_that_cannot_be_written_is_named_before_anything_runs(here, name, monkeypatch):
    folder = Path(name)
    folder.mkdir(parents=True)
    check_writable("mine")
    able = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder and able(path, mode))
    with pytest.raises(BadInput, match=f"^{name}: expected a writable folder"):
        check_writable("mine")
    folder.rmdir()
    folder.touch()
    with pytest.raises(BadInput, match=f"^{name}: expected a writable folder"):
        check_writable("mine")


def said(causes: Causes, log: str, how: str, words: str = "") -> str:
    """What becomes of Snakemake's message on a job that ended like this, with these words last in its log."""
    path = Path("logs/mine", f"{log}.log")
    if words:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Traceback\n{words}\n")
    command = f"""export A=b; exec python -m smoothgates train --spec '{{"a":1}}' --out x >> {path} 2>&1"""
    record = logging.makeLogRecord(
        {"msg": f"RuleException:\nCalledProcessError:\nCommand '{command}' {how}.\n  File x"}
    )
    assert causes.filter(record)
    return record.msg


def test_causes_are_told_last_and_like_ones_once(here, capsys):
    causes = Causes()
    line = said(causes, "policy/math/seed0", "returned non-zero exit status 2", "error: data: no such file")
    assert line == "failed policy/math/seed0: error: data: no such file"
    said(causes, "policy/math/seed1", "returned non-zero exit status 2", "error: data: no such file")
    said(causes, "train/a", "returned non-zero exit status 75", "try again: stopped at update 3; run me again")
    said(causes, "train/b", "died with <Signals.SIGKILL: 9>", "rollouts: 3/60")
    said(causes, "train/c", "returned non-zero exit status 255")
    assert causes.print_causes() == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "stopped train/a: try again: stopped at update 3; run me again"
    assert "failed policy/math/seed0 and 1 more: error: data: no such file" in told
    assert "       see logs/mine/policy/math/seed0.log" in told
    assert "failed train/b: killed by SIGKILL; last line of its log: rollouts: 3/60" in told
    assert "failed train/c: exit code 255; its log is empty" in told
    assert told[-1].startswith("       see logs/mine/")
    assert not any("--spec" in line for line in told)


def test_many_causes_are_counted(here, capsys):
    causes = Causes()
    for i in range(9):
        said(causes, f"train/{i}", "returned non-zero exit status 1", f"ValueError: {i}")
    causes.print_causes()
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "9 causes, the last 5 of them:"
    assert len(told) == 11


def test_what_ctrl_c_ended_did_not_fail(here, capsys):
    causes = Causes()
    causes.filter(logging.makeLogRecord({"msg": "Terminating processes on user request, this might take some time."}))
    said(causes, "evaluate/a", "died with <Signals.SIGINT: 2>", "KeyboardInterrupt")
    said(causes, "train/a", "returned non-zero exit status 75", "try again: run me again")
    assert causes.print_causes() == 75
    assert "KeyboardInterrupt" not in (told := capsys.readouterr().err)
    assert told.splitlines()[-1] == "stopped: run me again to resume"


def test_other_messages_stay_as_they_are(here):
    for text in ("Finished jobid: 3 (Rule: train)", "MissingInputException: x", ""):
        record = logging.makeLogRecord({"msg": text})
        assert Causes().filter(record)
        assert record.msg == text


def test_the_scheduler_plans_one_round_at_a_time():
    """Else each finished job adds rounds that never end."""
    rounds = []
    scheduler = SimpleNamespace(_open_jobs=SimpleNamespace(release=lambda: rounds.append(time.monotonic())))
    began = time.monotonic()
    for number in (1, 2):
        for _ in range(3):
            plan_round(scheduler, 0.05)
        while len(rounds) < number:
            time.sleep(0.01)
    assert rounds[1] - began >= 0.1, "the second was planned after the first"


def test_snakemake_ends_without_waiting_for_a_round():
    script = """
from types import SimpleNamespace
from smoothgates.jobs.snakemake.rounds import JobScheduler, plan_one_at_a_time
plan_one_at_a_time()
JobScheduler._schedule_reevalutation(SimpleNamespace(_open_jobs=SimpleNamespace(release=None)), 3600)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)
