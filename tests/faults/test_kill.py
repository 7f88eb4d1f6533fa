"""A run that is killed at any moment and run again gives the same result, to the bit, as without interruption."""

import os
import random
import re
import signal
import time

from .rig import attempt, start, wait

KILLED = -signal.SIGKILL


def assert_undisturbed(run, undisturbed, kills: int) -> None:
    result, updates = undisturbed
    assert run.result() == result
    assert run.updates <= updates + kills, "there is a checkpoint after each update, so a kill loses at most one"
    assert not any(run.work.iterdir())


def test_killed_before_each_of_many_changes(run, undisturbed):
    """These include every phase of the lease, the checkpoint, the result and the cleaning up."""
    assert attempt(run) == 0
    changes = int(re.search(r"changes: (\d+)", run.log)[1])
    assert changes > 300
    for moment in {*range(1, changes, changes // 50), *range(changes - 40, changes, 2)}:
        disturbed = run.elsewhere(f"at{moment}")
        assert attempt(disturbed, die_at=moment) == KILLED
        over = disturbed.updates == undisturbed[1] and not list(disturbed.work.glob("*/attempts.jsonl"))
        assert attempt(disturbed) == 0, disturbed.log
        assert "Traceback" not in disturbed.log
        if over:  # it had finished, so the second attempt repeats it
            disturbed.folder.joinpath("updates").write_bytes(b"." * undisturbed[1])
        assert_undisturbed(disturbed, undisturbed, kills=1)


def test_killed_while_it_resumes(run, undisturbed):
    """Killed again while it takes over the lease, deletes leftovers and reads the checkpoint."""
    for moment in range(1, 26):
        disturbed = run.elsewhere(f"at{moment}")
        assert attempt(disturbed, die_at=150) == KILLED
        assert attempt(disturbed, die_at=moment) == KILLED
        assert attempt(disturbed) == 0, disturbed.log
        assert_undisturbed(disturbed, undisturbed, kills=2)


def test_killed_again_and_again_at_random_moments(run):
    long = {"regime": {**run.spec["regime"], "rollouts": 150}, "checkpoint_every": 40}
    undisturbed, run = run.elsewhere("undisturbed", **long), run.elsewhere("disturbed", **long)
    assert attempt(undisturbed, save_seconds=60) == 0
    expected = undisturbed.result(), undisturbed.updates
    rng, ends = random.Random(0), []
    while 0 not in ends and len(ends) < 500:
        child = start(run)
        time.sleep(rng.uniform(0, 0.3) if len(ends) < 60 else 2)
        os.kill(child, signal.SIGKILL)
        ends.append(wait(child))
    assert ends.count(KILLED) >= 50
    assert "Traceback" not in run.log
    assert_undisturbed(run, expected, ends.count(KILLED))
    assert [now["from"] for now in run.attempts[1:]] == [before["to"] for before in run.attempts[:-1]]
