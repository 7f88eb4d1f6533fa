"""A run on two ranks survives what a run on one survives, and no rank waits for a dead one."""

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from rounding import FORWARD, assert_rounded
from transformers import AutoModelForCausalLM

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.load import load_policy
from tests.faults.rig import SPEC, Run, make_inputs

ENGINE = {"kind": "deepspeed", "zero": 2, "tokens": 300}
REGIME = {**SPEC["regime"], "rollouts": 6}
ENVIRONMENT = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder)
    return folder


@pytest.fixture
def run(inputs, tmp_path) -> Run:
    return Run(inputs, tmp_path, {**SPEC, "engine": ENGINE, "regime": REGIME, "checkpoint_every": 3})


@pytest.fixture(scope="module")
def undisturbed(inputs, tmp_path_factory) -> dict[str, str]:
    """Digests of the result."""
    run = Run(inputs, tmp_path_factory.mktemp("undisturbed"), {**SPEC, "engine": ENGINE, "regime": REGIME})
    run.spec["checkpoint_every"] = 3
    assert begin(run).wait(300) == 0, run.log
    return run.result()


def begin(run: Run, *flags: str, ranks: int = 2) -> subprocess.Popen:
    python, module, name, *words = run.command("--save-seconds", "0", "--wait", "0", *flags)
    command = [python, module, name, "launch", "--processes", str(ranks), "--", *words]
    with open(run.folder / "log", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)


def wait_for_checkpoint(run: Run, process: subprocess.Popen) -> None:
    while process.poll() is None and not list(run.work.glob("*/checkpoints/LATEST")):
        time.sleep(0.02)
    assert process.poll() is None, run.log


def ranks_of(process: subprocess.Popen) -> dict[int, int]:
    """Process ids by rank."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    found = {}
    for child in children:
        variables = dict(
            word.split("=", 1) for word in Path(f"/proc/{child}/environ").read_text().split("\0") if "=" in word
        )
        found[int(variables["RANK"])] = int(child)
    return found


def finish(run: Run) -> None:
    assert begin(run).wait(300) == 0, run.log
    assert "resuming from checkpoint" in run.log


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_the_run_and_it_resumes(killed, run, undisturbed):
    process = begin(run)
    wait_for_checkpoint(run, process)
    others = ranks_of(process)
    os.kill(others.pop(killed), signal.SIGKILL)
    began = time.monotonic()
    assert process.wait(60) == 128 + signal.SIGKILL
    assert time.monotonic() - began < 60
    assert not any(Path(f"/proc/{other}").exists() for other in others.values())
    assert [line for line in run.log.splitlines() if line.startswith(f"launch: rank {killed} was killed by SIGKILL")]
    assert "Traceback" not in run.log
    finish(run)
    assert run.result() == undisturbed


@pytest.mark.parametrize("asked", ["launch", 1])
def test_all_ranks_stop_together(asked, run, undisturbed):
    process = begin(run)
    wait_for_checkpoint(run, process)
    os.kill(process.pid if asked == "launch" else ranks_of(process)[asked], signal.SIGTERM)
    assert process.wait(300) == 75, run.log
    assert "received SIGTERM; run me again" in run.log
    finish(run)
    assert run.result() == undisturbed


def test_a_run_out_of_time_stops_on_all_ranks(run):
    assert begin(run, "--wall-minutes", "0.02").wait(300) == 75, run.log
    assert "the time limit is near; run me again" in run.log


def test_another_number_of_ranks_is_refused(run):
    process = begin(run)
    wait_for_checkpoint(run, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 75
    assert begin(run, ranks=1).wait(300) == 2
    last = run.log.splitlines()[-1]
    assert "made by 2 ranks, got 1" in last


def test_a_failure_on_all_ranks_is_recorded_and_refused_on_all(run):
    tight = run.elsewhere("tight", protocol={"reward": "exact", "max_new_tokens": 200})  # the policy has 128 positions
    for expected in ("max_position_embeddings: 128 is too few", "failed before"):
        assert begin(tight).wait(300) == 2
        assert expected in tight.log.splitlines()[-1]


def test_a_policy_divided_among_ranks_is_an_ordinary_folder(run):
    whole = run.elsewhere("whole", engine={**ENGINE, "zero": 3}, regime={**REGIME, "rollouts": 2}, checkpoint_every=1)
    assert begin(whole).wait(300) == 0, whole.log
    folder = whole.folder / "result/weights"
    ours, _ = load_policy(folder)
    assert isinstance(ours, Decoder)
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.arange(1, 30).unsqueeze(0)
    with torch.no_grad():
        assert_rounded(ours.logits(ours.hidden(ids)), theirs(ids).logits, FORWARD)
    manifest = json.loads((whole.folder / "result/model.json").read_text())
    for record in manifest["folders"]["weights"]:
        assert hashlib.sha256((folder / record["name"]).read_bytes()).hexdigest() == record["sha256"]
