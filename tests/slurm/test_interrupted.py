"""Whatever interrupts a training on a cluster, it resumes and ends with the weights of an undisturbed one."""

import os
import re
import signal
from itertools import pairwise

import pytest

from .checkout import SECONDS, Checkout
from .cluster import wait_until

TRAIN = ("--set-resources", "train:mem_mb=1000")
TERMINATED = "received SIGTERM"


def assert_undisturbed(checkout: Checkout, undisturbed: dict[str, bytes], *ends: str) -> None:
    """The weights have the same bytes, and the attempts ended as expected, each resuming where the last one saved."""
    assert checkout.weights("long") == undisturbed["long"]
    made = checkout.attempts("long")
    assert [re.sub(r".*: (.+);.*", r"\1", attempt["end"]) for attempt in made] == [*ends, "finished"]
    assert made[0]["from"] == 0
    for before, after in pairwise(made):
        assert after["from"] == before["to"]
        assert (before["to"] > 0) == (before["end"] != "killed")


def test_requeued_and_then_preempted(checkout, cluster, undisturbed):
    run = checkout.start(target="long")
    cluster("scontrol", "requeue", checkout.wait_for("long", 300))
    wait_until(lambda: checkout.rollouts("long") < 300, 60, "the second attempt")
    checkout.wait_for("long", 900)
    cluster(
        "sbatch", "--partition", "high", "--nodes", "3", "--exclusive", "--wrap", "sleep 1", "--output", "/dev/null"
    )
    assert run.end() == 0, run.text
    assert_undisturbed(checkout, undisturbed, TERMINATED, TERMINATED)


def test_preempted_without_requeue(checkout, cluster, undisturbed):
    run = checkout.start(target="long", options=(*TRAIN, "train:slurm_partition=frail"))
    checkout.wait_for("long", 300)
    cluster(
        "sbatch", "--partition", "high", "--nodes", "3", "--exclusive", "--wrap", "sleep 1", "--output", "/dev/null"
    )
    assert run.end() == 0, run.text
    assert_undisturbed(checkout, undisturbed, TERMINATED)


@pytest.mark.parametrize("setting", ["cluster", "plain_cluster"])
def test_cancelled_from_outside(setting, checkout, request, undisturbed):
    checkout.cluster = request.getfixturevalue(setting)
    run = checkout.start(target="long")
    checkout.cluster("scancel", checkout.wait_for("long", 300))
    assert run.end() == 0, run.text
    assert_undisturbed(checkout, undisturbed, TERMINATED)


def test_out_of_time(checkout, undisturbed):
    """The run stops by itself before its time is up. Here it is suspended, so that machine speed does not matter."""
    run = checkout.start(target="long", options=(*TRAIN, "train:runtime=1"))
    checkout.wait_for("long", 300)
    trainer = checkout.trainer()
    os.kill(trainer, signal.SIGSTOP)
    wait_until(lambda: checkout.elapsed("long") >= 46, 60, "its time to be nearly up")
    os.kill(trainer, signal.SIGCONT)
    assert run.end() == 0, run.text
    assert_undisturbed(checkout, undisturbed, "the time limit is near")


def test_ended_at_its_time_limit(checkout, undisturbed):
    """Suspended beyond its limit, the run cannot stop in time: it saves between SLURM's SIGTERM and SIGKILL."""
    run = checkout.start(target="long", options=(*TRAIN, "train:runtime=1"))
    checkout.wait_for("long", 300)
    os.kill(checkout.trainer(), signal.SIGSTOP)
    assert run.end(2 * SECONDS) == 0, run.text
    assert "TIMEOUT" in run.text
    assert_undisturbed(checkout, undisturbed, TERMINATED)


def test_node_lost(checkout, cluster, undisturbed):
    run = checkout.start(target="long")
    checkout.wait_for("long", 300)
    [node] = {row[0] for row in cluster.squeue("%N")}
    cluster.lose(node)
    assert run.end() == 0, run.text
    assert_undisturbed(checkout, undisturbed, "killed")
