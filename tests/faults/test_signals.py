"""The command itself is killed, receives signals, or reaches its time limit. Few cases: it takes seconds to start."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smoothgates.prefork.owner import serving

from .rig import Run, attempt


@pytest.fixture
def long(run) -> Run:
    """A run that is long enough to be interrupted."""
    return run.elsewhere("long", regime={**run.spec["regime"], "rollouts": 60}, checkpoint_every=20)


@pytest.fixture
def expected(long) -> dict[str, str]:
    undisturbed = long.elsewhere("undisturbed")
    assert attempt(undisturbed, save_seconds=60) == 0
    return undisturbed.result()


def environment() -> dict[str, str]:
    """That of this process. Pytest changes a variable during a test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def begin(run: Run, *flags: str) -> subprocess.Popen:
    command = run.command("--save-seconds", "0", "--wait", "0", *flags)
    with open(run.folder / "log", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment())


def wait_for_checkpoint(run: Run) -> None:
    while not list(run.work.glob("*/checkpoints/LATEST")):
        time.sleep(0.02)


def finish(run: Run) -> None:
    process = begin(run)
    assert process.wait(60) == 0, run.log
    assert "Traceback" not in run.log


def test_killed(long, expected):
    rng = random.Random(0)
    for _ in range(4):
        process = begin(long)
        time.sleep(rng.uniform(0.5, 3.5))
        process.kill()
        assert process.wait() in (-signal.SIGKILL, 0)
    finish(long)
    assert long.result() == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_run(number, long, expected):
    process = begin(long, "--save-seconds", "600")
    time.sleep(0.2)
    while not list(long.work.glob("*/attempts.jsonl")):
        time.sleep(0.02)
    os.kill(process.pid, number)
    assert process.wait(20) == 75
    last = long.log.splitlines()[-1]
    assert last.startswith("try again: stopped at update ")
    assert f"received {number.name}; run me again" in last
    finish(long)
    assert "resuming from checkpoint 000001" in long.log
    assert long.result() == expected
    ends = [each["end"] for each in long.attempts]
    assert len(ends) == 2
    assert ends[0].startswith("stopped at update")


def test_a_second_sigint_ends_it_at_once(long):
    process = begin(long)
    wait_for_checkpoint(long)
    os.kill(process.pid, signal.SIGSTOP)  # both arrive before the run checks
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) in (75, 130)
    finish(long)


def test_several_sigterms_stop_it_in_order(long):
    """SLURM signals every process of a job, and Snakemake signals its own."""
    process = begin(long, "--save-seconds", "600")
    while not list(long.work.glob("*/attempts.jsonl")):
        time.sleep(0.02)
    for _ in range(3):
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.002)
    assert process.wait(20) == 75
    assert "received SIGTERM; run me again" in long.log.splitlines()[-1]
    finish(long)


def test_out_of_time(long):
    """The run stops and resumes. `test_resume.py` tests that it stops early enough."""
    longer = {"regime": {**long.spec["regime"], "rollouts": 400}, "checkpoint_every": 150}
    undisturbed, run = long.elsewhere("undisturbed", **longer), long.elsewhere("longer", **longer)
    assert begin(run, "--wall-minutes", "0.1", "--save-seconds", "600").wait(60) == 75
    assert "the time limit is near; run me again" in run.log
    assert attempt(run, save_seconds=600) == 0
    assert attempt(undisturbed, save_seconds=600) == 0
    assert run.result() == undisturbed.result()
    assert run.updates < undisturbed.updates, "updates of the first attempt are not repeated"


def test_a_suspended_trainer_that_lost_its_lease_writes_no_more(long, expected):
    process = begin(long)
    wait_for_checkpoint(long)
    os.kill(process.pid, signal.SIGSTOP)
    # Edited to name a dead process: waiting for the heartbeat to count as stopped would take most of a minute.
    [lease] = long.work.glob("*/lease.json")
    lease.write_text(lease.read_text().replace(f'"pid": {process.pid}', f'"pid": {2**22 + 1}'))
    assert attempt(long) == 0
    assert "taken over from" in long.log
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(20) == 75
    assert "writing stops" in long.log.splitlines()[-1]
    assert long.result() == expected
    assert list(long.work.iterdir()) == []


@pytest.fixture
def forks(monkeypatch, long):
    """Commands are forks of a server: the signals of these tests reach their clients."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    clients, start = [], begin
    monkeypatch.setattr(sys.modules[__name__], "begin", lambda *how: clients.append(start(*how)) or clients[-1])
    with serving(environment()):
        yield
    assert not {each["pid"] for each in long.attempts} & {each.pid for each in clients}


def test_killed_clients(forks, long, expected):
    test_killed(long, expected)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_client_stops_the_run(number, forks, long, expected):
    test_a_signal_stops_the_run(number, long, expected)
