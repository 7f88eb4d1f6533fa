"""A lease has one holder at a time, even if processes die or are suspended at any moment."""

import json
import os
import platform
import signal
import sys
import time
from contextlib import suppress

import pytest

from smoothgates.errors import TryAgain
from smoothgates.train.run.lease import PATIENCE, Lease, read_lease

BEAT = 0.05
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}


def fork(act, host="here", die_at=0):
    """Process id of a child that calls `act` as if on that host, killed before its n-th change of a file or folder."""
    if child := os.fork():
        return child
    made, code = 0, 1

    def hook(event, arguments):
        nonlocal made
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if opened or event in CHANGES:
            made += 1
            if made == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        platform.node = lambda: host
        if die_at:
            sys.addaudithook(hook)
        act()
        code = 0
    except TryAgain:
        code = 75
    finally:
        os._exit(code)


def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def work(folder, seconds=0.0, patient=30):
    """Hold the lease for a while. Fails if another process holds it, too."""
    with Lease(folder, patient, BEAT) as lease:
        inside = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)
        lease.check()
        time.sleep(seconds)
        lease.check()
        os.close(inside)
        (folder / "inside").unlink()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_lease_is_taken_and_released(tmp_path):
    folder = tmp_path / "a/b"
    with Lease(folder, 0) as lease:
        assert names(folder) == ["lease.json"]
        found = json.loads((folder / "lease.json").read_text())
        assert (found["host"], found["pid"]) == (platform.node(), os.getpid())
        assert abs(found["heartbeat"] - time.time()) < 5
        lease.check()
        assert not lease.waited
    assert names(folder) == []


def test_the_error_names_a_live_holder(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with Lease(tmp_path, 0):
        began = time.monotonic()
        with pytest.raises(TryAgain, match=f"held by process {os.getpid()} on {platform.node()}, job 17;"):
            Lease(tmp_path, 0.2)
        assert 0.2 <= time.monotonic() - began < 2
        assert names(tmp_path) == ["lease.json"]


def test_a_reader_never_sees_an_incomplete_heartbeat(tmp_path):
    with Lease(tmp_path, 0, interval=0.002):
        beats, until = set(), time.monotonic() + 0.5
        while time.monotonic() < until:
            beats.add(read_lease(tmp_path / "lease.json")["heartbeat"])
    assert len(beats) > 10


@pytest.mark.parametrize("hosts", [["here"] * 6, [f"host{i}" for i in range(6)]])
def test_of_many_processes_that_start_together_one_gets_the_lease(hosts, tmp_path):
    for turn in range(8):
        folder = tmp_path / str(turn)
        children = [fork(lambda at=folder: work(at, 0.01), host) for host in hosts]
        assert [wait(child) for child in children] == [0] * 6
        assert names(folder) == []


def die_holding(folder, host):
    def act():
        Lease(folder, 0, BEAT)
        os.kill(os.getpid(), signal.SIGKILL)

    assert wait(fork(act, host)) == -signal.SIGKILL


def test_a_lease_of_a_dead_process_on_this_host_is_taken_over_at_once(tmp_path):
    die_holding(tmp_path, platform.node())
    with Lease(tmp_path, 0, interval=1000):
        pass


def test_a_lease_of_another_host_is_taken_over_when_its_heartbeat_has_stopped(tmp_path, capsys):
    die_holding(tmp_path, "elsewhere")
    with pytest.raises(TryAgain, match=r"held by process .* on elsewhere;"):
        Lease(tmp_path, 0.05, interval=1000)
    began = time.monotonic()
    with Lease(tmp_path, 30, BEAT):
        assert PATIENCE * BEAT <= time.monotonic() - began < 5
    assert "taken over from process" in capsys.readouterr().err


@pytest.mark.parametrize("offset", [-1e6, 1e6])
def test_clocks_of_hosts_may_differ(offset, tmp_path, monkeypatch):
    def hold():
        now = time.time
        time.time = lambda: now() + offset
        work(tmp_path, seconds=1)

    child = fork(hold, "elsewhere")
    while not read_lease(tmp_path / "lease.json"):
        time.sleep(0.01)
    with pytest.raises(TryAgain):
        Lease(tmp_path, 0.5, BEAT)
    assert wait(child) == 0


def test_of_many_processes_one_takes_over_a_stale_lease(tmp_path):
    """All find the same stale lease at the same time."""
    for turn in range(6):
        folder = tmp_path / str(turn)
        die_holding(folder, "elsewhere")
        children = [fork(lambda at=folder: work(at, 0.01), f"host{i}") for i in range(6)]
        assert [wait(child) for child in children] == [0] * 6
        assert names(folder) == []


def test_a_suspended_holder_notices_and_does_not_disturb_its_successor(tmp_path):
    """Its heartbeat thread is idle, like that of a stopped process."""
    asleep = Lease(tmp_path, 0, interval=1000)
    with Lease(tmp_path, 30, BEAT) as awake:
        asleep.entry.beat()  # this writes to a file that has no name any more
        with pytest.raises(TryAgain, match="lost while this process was suspended"):
            asleep.check()
        asleep.release()
        awake.check()
        assert names(tmp_path) == ["lease.json"]
    assert names(tmp_path) == []


def test_a_deleted_lease_is_lost(tmp_path):
    with Lease(tmp_path, 0) as lease:
        (tmp_path / "lease.json").unlink()
        with pytest.raises(TryAgain, match="it is missing"):
            lease.check()


def die_on_the_way(folder, moment, host, stale):
    """Kill a process before its n-th change; three others must then get the lease. 75: it made fewer changes."""
    if stale:
        die_holding(folder, "long gone")
    died = wait(fork(lambda: Lease(folder, 30, BEAT).release(), host, moment)) == -signal.SIGKILL
    followers = [fork(lambda: work(folder), name) for name in ("here", "there", "yonder")]
    assert [wait(child) for child in followers] == [0] * 3
    assert names(folder) == [], f"killed at change {moment}"
    if not died:
        raise TryAgain("it had finished")


@pytest.mark.parametrize("host", ["here", "elsewhere"])
@pytest.mark.parametrize(("stale", "changes"), [(False, 8), (True, 12)])
def test_a_kill_at_any_moment_of_taking_or_releasing_leaves_a_usable_lease(stale, changes, host, tmp_path):
    ends = []
    while 75 not in ends:
        children = []
        for moment in range(len(ends) + 1, len(ends) + 7):  # in parallel, as they mostly wait
            (tmp_path / str(moment)).mkdir()
            at = (tmp_path / str(moment), moment, host, stale)
            children.append(fork(lambda at=at: die_on_the_way(*at)))
        ends += [wait(child) for child in children]
    assert set(ends) == {0, 75}
    assert ends.count(0) >= changes


def test_the_directory_may_vanish_while_it_is_created(tmp_path, monkeypatch):
    """mkdir with exist_ok looks twice; another process may delete the directory in between."""
    make, found = os.mkdir, []

    def found_and_gone(path, mode=0o777):
        if not found:
            found.append(path)
            raise FileExistsError(path)
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", found_and_gone)
    with Lease(tmp_path / "work", 1, BEAT) as lease:
        lease.check()
    assert found == [tmp_path / "work"]


def test_a_holder_may_delete_the_directory(tmp_path):
    """Processes that wait create it again."""
    folder = tmp_path / "work"

    def hold():
        with Lease(folder, 30, BEAT):
            time.sleep(0.01)
        with suppress(OSError):
            folder.rmdir()

    children = [fork(hold) for _ in range(12)]
    assert [wait(child) for child in children] == [0] * 12


def test_writers_exclude_each_other_while_processes_are_killed(tmp_path):
    """Half of the processes are killed at some moment; two are never inside at the same time."""

    def cautious():
        with Lease(tmp_path, 60, BEAT) as lease:
            (tmp_path / "inside").unlink(missing_ok=True)  # from a process that died inside
            inside = os.open(tmp_path / "inside", os.O_CREAT | os.O_EXCL)
            lease.check()
            time.sleep(0.005)
            lease.check()
            assert os.fstat(inside).st_nlink == 1, "somebody else came in"
            (tmp_path / "inside").unlink()

    children = [fork(cautious, f"host{i % 3}", die_at=i if i % 2 else 0) for i in range(24)]
    ends = [wait(child) for child in children]
    assert set(ends) <= {0, -signal.SIGKILL}
    assert ends.count(0) >= 12
