"""A change reruns exactly the jobs that depend on it. A change without effect reruns nothing."""

import json
import re
import resource
import shutil
import subprocess
import sys

import pytest
import yaml
from reformatting import reformatted

from smoothgates.provenance.environments import lock_digest


def test_a_finished_study_has_nothing_to_do(checkout):
    assert checkout.pending() == {}


def test_touching_every_file_triggers_nothing(checkout):
    for path in checkout.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
    assert checkout.pending() == {}


def test_a_fresh_clone_with_copied_results_has_nothing_to_do(finished, clone):
    for name in ("results", "reports", ".snakemake"):
        shutil.copytree(finished.folder / name, clone.folder / name)
    assert clone.pending() == {}


@pytest.mark.parametrize("seed", ["1", "12345"])
def test_hash_randomisation_triggers_nothing(checkout, monkeypatch, seed):
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    assert checkout.pending() == {}


def test_reordering_the_config_triggers_nothing(checkout):
    for name in ("smoke", "methods"):
        path = checkout.folder / f"config/{name}.yaml"
        path.write_text(yaml.safe_dump(backwards(yaml.safe_load(path.read_text())), sort_keys=False))
    assert checkout.pending() == {}


def backwards(content):
    """Reverse every mapping. Lists stay as they are, because their order matters."""
    if isinstance(content, dict):
        return {key: backwards(value) for key, value in reversed(content.items())}
    return [backwards(item) for item in content] if isinstance(content, list) else content


def test_editing_a_temperature_reruns_its_method_alone(checkout):
    checkout.edit("config/methods.yaml", "erf:        {gate: erf, tau: [10, 12]}", "erf: {gate: erf, tau: [9, 12]}")
    assert checkout.pending() == {"train": 2, "evaluate": 1, "analyse": 1, "report": 1, "all": 1}


def test_changing_layout_and_docstrings_of_the_source_triggers_nothing(checkout):
    for file in checkout.folder.glob("src/smoothgates/**/*.py"):
        file.write_text(reformatted(file.read_text(encoding="utf-8")), encoding="utf-8")
    assert checkout.pending() == {}


def add_code(checkout, file):
    """A change of code: the jobs of this file may now make something else."""
    with open(checkout.folder / "src/smoothgates" / file, "a", encoding="utf-8") as source:
        source.write("\n\nNEW = 1\n")


def test_editing_a_gate_reruns_its_methods_alone(checkout):
    add_code(checkout, "gates/erf.py")
    after = {"gates": 1, "analyse": 1, "report": 1, "all": 1}
    assert checkout.pending() == {"check_gate": 1, "train": 2, "evaluate": 1} | after


def test_a_gate_that_fails_its_check_is_refused_and_its_methods_are_not_trained(checkout):
    """Its weight is no longer the derivative of its value. The other gate's runs are as they were."""
    checkout.edit("src/smoothgates/gates/erf.py", ".neg_().exp_()", ".mul_(-0.8).exp_()")
    model = checkout.folder / "results/smoke/train/math/near/erf/seed0/model.json"
    before = model.stat().st_mtime_ns
    assert checkout.snakemake("--config", "study=smoke", ok=False).returncode == 1
    (line,) = (checkout.folder / "logs/smoke/gates/erf.log").read_text().splitlines()
    assert re.match(r"error: gate 'erf': weight is not the derivative of value, .* at ratio [\d.]+ weight is", line)
    assert model.stat().st_mtime_ns == before
    assert checkout.pending()["train"] == 2
    checkout.edit("src/smoothgates/gates/erf.py", ".mul_(-0.8).exp_()", ".neg_().exp_()")
    assert checkout.pending().keys() <= {"check_gate", "gates", "train", "evaluate", "analyse", "report", "all"}


@pytest.mark.parametrize("command", ["-m smoothgates plan --study smoke", "-m snakemake -n --config study=smoke"])
def test_a_module_without_a_gate_in_gates_is_reported_in_one_line(command, checkout):
    (checkout.folder / "src/smoothgates/gates/mine.py").write_text("VALUE = 1\n")
    words = [sys.executable, *command.split()]
    done = subprocess.run(
        words, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "error: src/smoothgates/gates/mine.py: GATE: expected a Gate, got nothing\n"


def test_editing_a_verifier_reruns_the_stages_that_can_reach_it(checkout):
    """These are the judging stages of its own task: data and warm starts stay."""
    add_code(checkout, "tasks/toolqa/rewards.py")
    assert checkout.pending() == {"train": 2, "evaluate": 2, "analyse": 1, "report": 1, "all": 1}


def test_editing_a_figure_or_the_reports_spec_reruns_the_report_alone(checkout):
    add_code(checkout, "report/figures.py")
    assert checkout.pending() == {"report": 1, "all": 1}
    add_code(checkout, "specs/report.py")
    assert checkout.pending() == {"report": 1, "all": 1}


def test_an_edit_of_training_that_changes_no_weight_stops_there(checkout):
    add_code(checkout, "train/loop.py")
    assert checkout.pending().keys() == {"train", "evaluate", "analyse", "report", "all"}
    checkout.snakemake("--config", "study=smoke", "--until", "train")
    assert checkout.pending() == {}, "the same weights need no new evaluation"


def test_editing_the_page_reruns_the_report_alone(checkout):
    checkout.edit("src/smoothgates/report/page.html.j2", "Learning curves", "Curves")
    assert checkout.pending() == {"report": 1, "all": 1}


def test_the_report_command_cannot_train(checkout):
    add_code(checkout, "objective/loss.py")
    assert "train" in checkout.pending()
    allowed = ["--allowed-rules", "report", "analyse", "gates", "--forcerun", "report"]
    assert checkout.pending(*allowed, "--", "reports/smoke/index.html").keys() <= {"report", "analyse", "gates"}


def test_a_study_for_gpus_runs_in_their_environment(checkout):
    checkout.edit("config/smoke.yaml", "seeds:", "device: cuda\nseeds:")
    checkout.snakemake("--config", "study=smoke", "--until", "prepare")
    record = json.loads((checkout.folder / "results/smoke/data/math/run.json").read_text())
    assert (record["env"], record["lock_sha256"]) == ("train-cuda", lock_digest("train-cuda"))
    assert (record["gpus"], record["gpu_hours"]) == (0, 0), "the data need none"


def test_the_jobs_of_a_study_are_those_of_its_dag(clone):
    """`plan` and `verify` know them without Snakemake."""
    text = clone.snakemake("-n", "--config", "study=smoke", "--quiet", "host").stdout
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text, re.MULTILINE)
    found = {(rule, listed(block, "input"), listed(block, "output")) for rule, block in blocks if rule != "all"}
    assert found == {(job.rule, frozenset(job.reads), frozenset(job.writes)) for job in clone.jobs()}


def listed(block: str, key: str) -> frozenset[str]:
    found = re.search(rf"^    {key}: (.*)$", block, re.MULTILINE)
    return frozenset(found[1].replace(" (update)", "").split(", ") if found else ())


def test_reading_the_rules_takes_no_longer_than_starting_snakemake_twice(clone):
    """Each job on a cluster reads them again. CPU time: other processes of the machine do not matter."""
    clone.snakemake("--list-rules", "--config", "study=laptop")
    start, rules = (
        cpu_seconds(clone, words) for words in (["--version"], ["--list-rules", "--config", "study=laptop"])
    )
    assert rules - start < 2 * start


def cpu_seconds(checkout, words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    checkout.snakemake(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
