"""At a terminal: studies that are stopped, killed or started twice, and folders of any name."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest


class Started:
    """A running study in its own process group, as on a terminal."""

    def __init__(self, checkout):
        self.folder = checkout.folder
        command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "2"]
        with open(self.folder / "output.txt", "wb") as file:
            self.process = subprocess.Popen(
                [*command, "--config", "study=smoke"],
                cwd=self.folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run behind an &
                env=checkout.environment,
            )

    def until_it_trains(self) -> "Started":
        while not list(self.folder.glob("work/*/lease.json")):
            assert self.process.poll() is None, self.output()
            time.sleep(0.2)
        return self

    def end(self, number: signal.Signals) -> int:
        """Send a signal to all of its processes. Return the exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(120)

    def output(self) -> str:
        return (self.folder / "output.txt").read_text()


@pytest.fixture
def endless(checkout):
    """A study that has only trainings left to do, which never end."""
    checkout.edit("config/smoke.yaml", "rollouts: 3,", "rollouts: 90000,")
    started = []

    def start() -> Started:
        started.append(Started(checkout))
        return started[-1].until_it_trains()

    yield start, checkout
    for each in started:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)


def test_a_running_study_is_named_a_killed_one_is_cleared_and_ctrl_c_says_how_to_resume(endless):
    start, checkout = endless
    first = start()
    refused = checkout.snakemake("--config", "study=smoke", ok=False)
    assert refused.returncode == 2
    last = refused.stderr.splitlines()[-1]
    assert re.fullmatch(
        rf"error: results/smoke: process {first.process.pid} on \S+ \(since .*\) is at work on .*", last
    )
    assert checkout.pending(), "a dry run is not refused"
    assert checkout.folder.joinpath(".snakemake/locks").exists(), "a dry run clears no locks"
    first.end(signal.SIGKILL)

    shutil.rmtree(checkout.folder / "work")
    second = start()
    assert f"cleared the lock of process {first.process.pid}" in second.output()
    assert second.end(signal.SIGINT) == 75
    lines = second.output().splitlines()
    assert lines[-1] == "stopped: run me again to resume"
    assert re.search(
        r"^stopped train/\S+: try again: stopped at update \d+ .* SIGINT; run me again$", second.output(), re.M
    )
    assert "--spec" not in second.output()
    assert "WorkflowError" not in second.output()


def test_checkout_and_study_may_be_in_folders_of_any_name(finished, tmp_path):
    """The checkout's path is in the shell command of every job."""
    folder = tmp_path / "it's mein Ordner ü; touch PWNED"
    moved = finished.copy(folder)
    study = folder / "meine Studien ü/mine.yaml"
    study.parent.mkdir()
    shutil.copy(folder / "config/smoke.yaml", study)
    study.write_text(study.read_text().replace("method_table: methods.yaml\n", ""))
    moved.snakemake("--config", "study=meine Studien ü/mine.yaml", "--until", "gates")
    assert (folder / "results/mine/analysis/gates/catalogue.json").is_file()
    assert not list(tmp_path.rglob("PWNED"))


def test_a_terminal_shows_a_bar_with_the_time_left(clone):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "1"]
    arguments = [
        "--config",
        "study=smoke",
        "--",
        "results/smoke/gates/erf/check.json",
        "results/smoke/gates/clip/check.json",
    ]
    subprocess.run([*command, *arguments], cwd=clone.folder, env=clone.environment, stderr=theirs, check=True)
    os.close(theirs)
    shown = read_all(ours).decode()
    assert re.search(r"█+░+ +\d+%, 1 of 2 jobs, 0:\d\d so far, \d+:\d\d left", shown)
    assert "100%, 2 of 2 jobs" in shown
    assert "Finished jobid" not in shown


def read_all(terminal: int) -> bytes:
    found = b""
    with suppress(OSError):  # how the other end of a terminal that has closed reads on Linux
        while chunk := os.read(terminal, 1 << 16):
            found += chunk
    os.close(terminal)
    return found


@pytest.mark.parametrize("name", ["a {x}", "a:b"])
def test_a_checkout_with_braces_or_colons_in_its_path_is_refused_in_one_line(name, clone, tmp_path):
    done = clone.copy(tmp_path / name).snakemake("--list-rules", ok=False)
    assert done.returncode == 2
    assert f"/{name}: expected a folder without braces and colons" in done.stderr.splitlines()[-1]


def test_a_checkout_does_not_run_with_the_package_of_another_one(clone):
    """The jobs would run this checkout's code, with the digests of the other's."""
    command = [sys.executable, "-m", "snakemake", "--list-rules"]
    environment = {name: value for name, value in clone.environment.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=clone.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    expected = f"error: smoothgates: expected the package of {clone.folder}/src, found "
    assert done.stderr.splitlines()[-1].startswith(expected)


def test_an_unfinished_study_has_no_report_yet_and_loses_nothing(checkout):
    page = checkout.folder / "reports/smoke/index.html"
    for name in ("evaluate/math/near/erf/seed0/heldout.json", "analysis/comparisons.json"):
        (checkout.folder / "results/smoke" / name).unlink()
    before = page.read_bytes()
    arguments = ["--allowed-rules", "report", "analyse", "gates", "--forcerun", "report", "--", "report"]
    done = checkout.snakemake("--config", "study=smoke", *arguments, ok=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: results/smoke/evaluate/math/near/erf/seed0/heldout.json: missing, and no allowed rule makes it:"
        " run `make study` first"
    )
    assert page.read_bytes() == before


def test_another_working_directory_uses_the_checkouts_config(finished, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", finished.folder / "Snakefile", "-n", "--config", "study=smoke"],
        cwd=tmp_path,
        env=finished.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
