"""The cluster command's knowledge: what SLURM and Snakemake say, what is asked of SLURM, when Snakemake is stuck."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.paths import Paths
from smoothgates.jobs.dag import jobs_of, outputs_by_rule
from smoothgates.jobs.snakemake.exclusive import AT_WORK
from smoothgates.ops import controller_lock
from smoothgates.ops.cluster import slurm, watch
from smoothgates.ops.cluster.attempt import cause_of
from smoothgates.ops.cluster.output import Progress
from smoothgates.ops.cluster.table import Names, comment_of, render
from smoothgates.ops.controller_lock import ControllerLock
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]

QUEUE = """\
12|laptop_b1f3c2d4-0000-4000-8000-0123456789ab|RUNNING|n1|1:02:03|None|rule_train_wildcards_math_lag4_erf_0|/home/a/study
13|laptop_b1f3c2d4-0000-4000-8000-0123456789ab|PENDING||0:00|Resources|rule_evaluate_wildcards_math_lag4_erf_heldout|/home/a/study
14|laptop_b1f3c2d4-0000-4000-8000-0123456789ab|CANCELLED by 1000|n1|0:05|None|rule_report|/home/a/study
15|somebody's own|RUNNING|n2|0:05|None|(null)|/home/a/odd|name
"""

SAID = """\
Building DAG of jobs...
SLURM run ID: smoke_8b5ebe47-a92c-42d1-aa4a-9f5856b74e85
Job stats:
job           count
----------  -------
prepare           2
total             2

[Sat Nov 21 12:43:02 2026]
rule prepare:
    input: src/a.py, src/b.py
    output: results/smoke/data/toolqa/manifest.json
    log: logs/smoke/prepare/toolqa.log
    jobid: 2
    reason: Missing output files: results/smoke/data/toolqa/manifest.json
    wildcards: task=toolqa
    resources: tmpdir=<TBD>, runtime=5
[Sat Nov 21 12:43:02 2026]
rule train:
    input: src/a.py
    output: results/smoke/train/math/lag4/erf/seed0/model.json, results/smoke/train/math/lag4/erf/seed0/metrics.parquet
    log: logs/smoke/train/math/lag4/erf/seed0.log
    jobid: 1
    resources: runtime=5
Job 2 has been submitted with SLURM jobid 3 (log: /a/.snakemake/slurm_logs/rule_prepare/toolqa/3.log).
Job 1 has been submitted with SLURM jobid 4 (log: /a/.snakemake/slurm_logs/rule_train/math_lag4_erf_0/4.log).
"""

FAILED = """\
[Sat Nov 21 12:47:40 2026]
Error in rule prepare:
    message: SLURM-job '3' failed, SLURM status is: 'FAILED'. For further error details see the cluster/cloud log.
    jobid: 2
    output: results/smoke/data/toolqa/manifest.json
    shell:
        python -m smoothgates prepare
        (command exited with non-zero exit code)
    external_jobid: 3
"""


def refused(reason: str, call: str = "sbatch --parsable") -> str:
    return (
        "Error in rule prepare:\n"
        f"    message: SLURM sbatch failed. The error message was 'sbatch: error: one\nsbatch: error: {reason}'.\n"
        f"    sbatch call:\n        {call}\nFor further error details see the log.\n    jobid: 2\n"
    )


def test_a_look_at_the_queue_is_understood():
    entries = slurm.parse_queue(QUEUE)
    assert [entry.id for entry in entries] == ["12", "13", "14", "15"]
    assert [entry.live for entry in entries] == [True, True, False, True]
    assert entries[3].folder == "/home/a/odd|name"


@pytest.mark.parametrize(
    ("poll", "age", "accounting", "expected"),
    [
        (40, 300, True, ("squeue", 40)),
        (40, 300, False, ("squeue", 40)),
        (100, 300, True, ("squeue", 100)),
        (101, 300, True, ("sacct", 101)),
        (40, 130, True, ("sacct", 40)),  # enough for the first look, too little for the longest pause
        (40, 60, False, ("squeue", 20)),  # any longer, and the executor would turn to a sacct that fails
        (1, 2, False, ("squeue", 1)),
    ],
)
def test_what_is_asked_for_states(poll, age, accounting, expected):
    assert slurm.status_command(poll, age, accounting) == expected


def test_a_command_that_fails_or_is_silent_is_no_empty_answer(tmp_path, monkeypatch):
    fake(
        tmp_path,
        monkeypatch,
        sacct="echo 'accounting storage is disabled' >&2; exit 1",
        squeue="exit 1",
        sinfo="sleep 9",
    )
    assert not slurm.accounting_works()
    with pytest.raises(TryAgain, match="sacct: accounting storage is disabled"):
        slurm.ask("sacct")
    with pytest.raises(TryAgain, match="squeue: exit code 1"):
        slurm.queue()
    with pytest.raises(TryAgain, match="sinfo did not answer"):
        slurm.ask("sinfo", seconds=0.5)


def test_without_slurm_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="sbatch: not found"):
        slurm.require()
    fake(tmp_path, monkeypatch, **dict.fromkeys(("sbatch", "srun", "squeue", "scancel", "scontrol"), "true"))
    monkeypatch.setattr(slurm, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="not installed: `make slurm`"):
        slurm.require()


def test_only_this_study_in_this_folder_is_ours(tmp_path, monkeypatch):
    uuid = "b1f3c2d4-0000-4000-8000-0123456789ab"
    rows = [
        f"1|laptop_{uuid}|RUNNING|n1|0:01|None|rule_report|{tmp_path}",
        f"2|laptop_{uuid}|RUNNING|n1|0:01|None|rule_report|{tmp_path}/other",
        f"3|laptop_two_{uuid}|RUNNING|n1|0:01|None|rule_report|{tmp_path}",
        f"4|laptop_{uuid}|COMPLETED|n1|0:01|None|rule_report|{tmp_path}",
        f"5|laptop|RUNNING|n1|0:01|None|rule_report|{tmp_path}",
    ]
    (tmp_path / "queue").write_text("\n".join(rows) + "\n")
    fake(tmp_path, monkeypatch, squeue=f"cat {tmp_path}/queue")
    assert [entry.id for entry in slurm.live_jobs("laptop", tmp_path)] == ["1"]


def test_what_snakemake_says_is_understood():
    progress = Progress.of(SAID)
    assert progress.run == "smoke_8b5ebe47-a92c-42d1-aa4a-9f5856b74e85"
    assert {step.slurm: step.output for step in progress.waiting()} == {
        "3": "results/smoke/data/toolqa/manifest.json",
        "4": "results/smoke/train/math/lag4/erf/seed0/model.json",
    }
    progress.feed("Finished jobid: 1 (Rule: train)")
    progress.feed("1 of 2 steps (50%) done")
    assert (progress.done, progress.total) == (1, 2)
    [failed] = list(filter(None, map(progress.feed, FAILED.splitlines())))
    assert progress.failed() == [failed]
    assert (failed.log, failed.slurm, failed.refused_for_now) == ("logs/smoke/prepare/toolqa.log", "3", False)
    assert not progress.waiting()
    progress.feed("Trying to restart job 2.")
    assert not progress.failed()


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        (refused("Batch job submission failed: Socket timed out on send/recv operation"), True),
        (refused("Unable to contact slurm controller (connect failure)"), True),
        (refused("Batch job submission failed: Invalid partition name specified"), False),
        (refused("invalid partition specified", "sbatch -D /home/connect/timeout"), False),
        (refused("Invalid node name specified", "sbatch --exclude=n1,None assigned"), True),
    ],
)
def test_a_refusal_that_may_pass_is_told_from_one_that_will_not(text, passing):
    [failed] = Progress.of(SAID + text).failed()
    assert failed.refused_for_now == passing


def test_a_failure_says_why_and_where_to_read_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs/smoke/prepare").mkdir(parents=True)
    (tmp_path / "logs/smoke/prepare/toolqa.log").write_text("began\nerror: no such file\n")
    [failed] = Progress.of(SAID + FAILED).failed()
    why, where = cause_of(failed).split("\n")
    assert why == ": FAILED, error: no such file"
    assert where.split()[:2] == ["see", "logs/smoke/prepare/toolqa.log"]
    [failed] = Progress.of(SAID.partition("Job 2")[0] + refused("Invalid partition name specified")).failed()
    assert "sbatch: error: Invalid partition name specified" in cause_of(failed)
    assert "no such file" not in cause_of(failed), "what an earlier attempt said is not why sbatch refused"


def test_every_job_has_a_name_and_a_comment_of_its_own():
    study = load_study("laptop", ROOT / "config")
    jobs = jobs_of(study)
    names = Names(study)
    assert len({comment_of(job) for job in jobs}) == len({job.writes[0] for job in jobs}) == len(jobs)
    # As Snakemake's executor was seen to write them.
    assert names.of_comment("rule_train_wildcards_math_lag4_erf_0") == "train math/lag4/erf/seed0"
    assert names.of_comment("rule_warm_start_wildcards_math_0") == "warm_start math/control/warm_start/seed0"
    assert names.of_comment("rule_prepare_wildcards_math") == "prepare math"
    assert names.of_comment("rule_report") == "report"
    assert names.of_comment("rule_of_another_study") == "rule_of_another_study"
    table = render(slurm.parse_queue(QUEUE)[:2], names).splitlines()
    assert table[1].split() == ["12", "RUNNING", "train", "math/lag4/erf/seed0", "n1", "1:02:03"]
    assert table[2].split() == ["13", "PENDING", "evaluate", "math/lag4/erf/heldout", "0:00", "Resources"]


PROFILES = ROOT / "workflow/profiles/slurm"


def test_snakemakes_wait_for_files_is_that_of_the_last_profile_that_names_one(tmp_path):
    ours = yaml.safe_load((PROFILES / "profile.v9+.yaml").read_text())["latency-wait"]
    site = tmp_path / "site.yaml"
    site.write_text("jobs: 3\n")
    assert watch.latency_wait([PROFILES]) == watch.latency_wait([PROFILES, site]) == ours
    site.write_text(f"latency-wait: {2 * ours}\n")
    assert watch.latency_wait([PROFILES, site]) == 2 * ours
    assert watch.latency_wait([tmp_path / "named_elsewhere"]) == watch.LATENCY


@pytest.mark.parametrize("name", ["profile.v9+.yaml", "site.example.yaml"])
def test_every_rule_that_may_take_long_has_its_time_in_each_profile(name):
    """A rule that a profile forgets gets the default of an hour, and its jobs are killed then."""
    rules = outputs_by_rule(Paths("any"), (0,)).keys() - {"check_gate", "gates", "analyse", "report"}
    given = yaml.safe_load((PROFILES / name).read_text())["set-resources"]
    assert rules == given.keys()
    assert all(resources["runtime"] > 60 for resources in given.values())


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self) -> float:
            return self.now

    found = Clock()
    monkeypatch.setattr(watch, "time", found)
    return found


def test_a_job_is_lost_once_snakemake_should_have_noticed(clock):
    seen = watch.Watch(poll=40, latency=60)
    waiting = Progress.of(SAID).waiting()
    alive, dead = (slurm.parse_queue(QUEUE)[i] for i in (0, 2))
    found = {"3": alive, "4": alive}
    assert seen.look(waiting, found) == []
    clock.now += 3600
    found["4"] = dead
    assert seen.look(waiting, found) == []
    clock.now += slurm.LONGEST_WAIT
    assert seen.look(waiting, found) == [], "Snakemake may look away for so long"
    clock.now += watch.SLACK + 1
    assert [step.slurm for step in seen.look(waiting, found)] == ["4"]
    del found["3"]
    seen.look(waiting, found)
    clock.now += slurm.LONGEST_WAIT + watch.SLACK + seen.latency + 1
    assert len(seen.look(waiting, found)) == 2, "what SLURM has forgotten is dead"


def test_a_job_that_is_put_back_into_the_queue_is_alive_again(clock):
    seen = watch.Watch(poll=1, latency=60)
    waiting = Progress.of(SAID).waiting()[:1]
    alive, dead = (slurm.parse_queue(QUEUE)[i] for i in (0, 2))
    seen.look(waiting, {"3": dead})
    clock.now += 10
    seen.look(waiting, {"3": alive})
    clock.now += 1000
    assert seen.look(waiting, {"3": dead}) == []


def test_the_pause_is_the_executors(clock):
    """It looks at 1, 12, 33, 64 s and so on."""
    assert [watch.pause_after(quiet, 1) for quiet in (0, 1, 12, 33, 64)] == [11, 21, 31, 41, 51]
    assert watch.pause_after(1e6, 40) == slurm.LONGEST_WAIT


HOLD = """
import sys, time
from smoothgates.ops.cluster.attempt import cause_of
from smoothgates.ops.controller_lock import ControllerLock
lock = ControllerLock("laptop")
lock.say(snakemake=1, log="here.log")
print("held", flush=True)
time.sleep(60)
"""


def test_one_controller_at_a_time_and_a_killed_one_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TryAgain, match=f"process {holder.pid}"):
            ControllerLock("laptop")
        ControllerLock("another").release()
    finally:
        holder.kill()
        holder.wait()
    after = ControllerLock("laptop")
    assert (after.left_behind["pid"], after.left_behind["log"]) == (holder.pid, "here.log")
    after.release()
    assert ControllerLock("laptop").left_behind == {}, "an orderly end leaves nothing to clear up"


def test_a_controller_on_another_host_is_known_by_its_heartbeat(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(controller_lock, "SILENCE", 2.0)
    path = tmp_path / controller_lock.FOLDER / "laptop.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"host": "elsewhere", "pid": 1, "snakemake": 2, "log": ""}')
    beating = subprocess.Popen(["sh", "-c", f"while sleep 0.2; do touch {path}; done"])
    try:
        with pytest.raises(TryAgain, match="elsewhere"):
            ControllerLock("laptop")
    finally:
        beating.kill()
        beating.wait()
    assert ControllerLock("laptop").left_behind["host"] == "elsewhere"


def test_a_study_that_another_snakemake_is_at_work_on_is_told_so():
    line = f"results/laptop: process 7 on here (since 2026-01-01 10:00:00) {AT_WORK}"
    assert Progress.of(f"Using profile x\nerror: {line}\n").locked == line


def fake(folder: Path, monkeypatch, **scripts: str) -> None:
    """SLURM's commands as scripts, first on PATH."""
    for name, script in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
