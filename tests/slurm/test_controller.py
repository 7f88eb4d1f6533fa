"""The controller may be killed while it waits for jobs, and SLURM may stop answering it."""

import signal
import time

from .cluster import wait_until


def test_the_controller_is_killed_and_run_again(checkout, cluster, undisturbed):
    run = checkout.start(target="long")
    job = checkout.wait_for("long", 100)
    run.kill()
    again = checkout.start(target="long")
    assert again.end(60) == 75, "its job is still in the queue"
    assert job in again.text
    assert [row[0] for row in cluster.squeue()] == [job]
    assert checkout.start("--wait", target="long").end() == 0
    assert checkout.weights("long") == undisturbed["long"]
    assert len(checkout.attempts("long")) == 1, "the job survived its controller and did the work"


def test_interrupted_by_hand(checkout, cluster):
    run = checkout.start(target="long")
    checkout.wait_for("long", 100)
    run.process.send_signal(signal.SIGINT)
    assert run.end(60) not in (0, None)
    wait_until(lambda: not cluster.squeue(), 20, "an empty queue")


def test_slurms_daemons_stop_and_restart(checkout, cluster, undisturbed):
    run = checkout.start(target="long")
    checkout.wait_for("long", 100)
    for daemon in ("slurmctld", "slurmdbd"):
        cluster.stop(daemon)
        time.sleep(5)  # several checks of the jobs
        cluster.start(daemon)
    assert run.end() == 0, run.text
    assert checkout.weights("long") == undisturbed["long"]
    assert len(checkout.attempts("long")) == 1
