"""`pending` lists the jobs that Snakemake would run, with reasons that name what was edited."""

import re
import subprocess
import sys


def pending(checkout, study: str = "smoke") -> dict[tuple[str, str], int]:
    """Number of jobs by rule and reason."""
    command = [sys.executable, "-m", "smoothgates", "pending", "--study", study]
    done = subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("nothing to do"):
        return {}
    head, *rows, total = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    assert head == ["rule", "jobs", "why", "for example"]
    found = {(rule, why): int(count) for rule, count, why, *_ in rows}
    assert total == ["total", str(sum(found.values()))]
    return found


def test_the_table_agrees_with_the_dry_run_and_names_what_changed(checkout):
    assert pending(checkout) == {}
    checkout.edit("config/methods.yaml", "erf:        {gate: erf, tau: [10, 12]}", "erf: {gate: erf, tau: [9, 12]}")
    (checkout.folder / "results/smoke/gates/erf/check.json").unlink()
    checkout.edit("src/smoothgates/stages/gates.py", "def run(", "TITLE = None\n\n\ndef run(")
    found = pending(checkout)
    counted = checkout.pending()
    assert counted.pop("all") == 1
    assert {rule: sum(n for (of, _), n in found.items() if of == rule) for rule, _ in found} == counted
    assert found["train", "config changed"] == 2
    assert found["check_gate", "no result yet"] == 1
    assert found["gates", "code changed"] == 1
    assert found["analyse", "reads what a job above makes"] == 1


def test_a_study_that_is_missing_is_one_line(clone):
    command = [sys.executable, "-m", "smoothgates", "pending", "--study", "nosuch"]
    done = subprocess.run(command, cwd=clone.folder, env=clone.environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: config/nosuch.yaml: no such file\n")


def test_a_folder_that_is_no_checkout_is_one_line(clone, tmp_path):
    command = [sys.executable, "-m", "smoothgates", "pending", "--study", str(clone.folder / "config/smoke.yaml")]
    done = subprocess.run(command, cwd=tmp_path, env=clone.environment, capture_output=True, text=True)
    error = "error: workflow/profiles/local: no such folder: expected the folder of a checkout as working directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", error)
