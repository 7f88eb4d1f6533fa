"""Which files a stage's result can depend on."""

import json
import os
import subprocess
import sys

import pytest
import torch

from smoothgates.gates import GATES
from smoothgates.provenance import machine, run_record
from smoothgates.provenance.code_closure import code_of
from smoothgates.provenance.run_record import Execution
from smoothgates.report.runs import origins
from smoothgates.study.loader import load_study


def names(stage, *parts):
    return {path.removeprefix("src/smoothgates/") for path in code_of(stage, parts)}


def test_a_train_job_depends_on_its_own_gate_and_task_alone():
    code = names("train", "gates.erf", "tasks.math")
    assert "gates/erf.py" in code
    assert not code & {f"gates/{gate}.py" for gate in GATES if gate != "erf"}
    assert {"objective/loss.py", "train/loop.py", "policy/decoder.py"} <= code
    assert {"tasks/math/exact.py", "tasks/math/rewards.py", "tasks/math/verifier/worker.py"} <= code
    assert not any(path.startswith(("tasks/logic/", "tasks/toolqa/")) for path in code)


def test_where_examples_came_from_is_nothing_to_training():
    """Only what `prepare` leaves is. And what can be searched matters to the task that searches, alone."""
    origins = ("tasks/hub", "tasks/mirror", "tasks/contamination", "stages/prepare")
    assert not any(path.startswith(origins) for path in names("train", "gates.erf", "tasks.toolqa"))
    assert "retrieval/bm25.py" in names("train", "gates.erf", "tasks.toolqa")
    assert not any(path.startswith("retrieval/") for path in names("train", "gates.erf", "tasks.math"))


def test_a_gate_brings_the_gates_that_it_is_made_of():
    assert {"gates/clip.py", "gates/dual_clip.py"} <= names("train", "gates.dual_clip")


def test_stages_do_not_depend_on_what_they_do_not_use():
    assert not any(path.startswith(("report/", "analysis/", "stages/report")) for path in names("train", "gates.clip"))
    assert not any(path.startswith(("objective/", "train/", "policy/", "rollout/")) for path in names("report"))
    assert "objective/loss.py" not in names("evaluate")
    assert "tasks/toolqa/environment.py" in names("evaluate", "tasks.toolqa")


def loaded(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return {*subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()}


def test_heavy_imports_stay_where_they_are_used():
    start = loaded(
        "import smoothgates.study.ownership, smoothgates.jobs.dag, smoothgates.stages.train,"
        "smoothgates.ops.results.prune"
    )
    assert not start & {"torch", "psutil", "numpy", "pandas", "pyarrow", "transformers", "snakemake"}
    assert "torch" not in loaded("import smoothgates.stages.report, smoothgates.stages.analyse")
    assert not loaded("import smoothgates.train.run.attempt") & {"transformers", "torch._dynamo"}
    tasks = loaded(
        "import smoothgates.study.schema; [smoothgates.study.schema.load_task(t) for t in ('math', 'toolqa')]"
    )
    assert not tasks & {"datasets", "flint", "math_verify", "sympy", "bm25s", "faiss", "numpy"}


def test_gpu_hours_are_those_of_all_attempts_and_ranks(tmp_path, monkeypatch):
    monkeypatch.setattr(run_record, "gpus", lambda: 8)
    execution = Execution("analyse", load_study("laptop").analyse_spec())
    execution.write(tmp_path / "run.json", [], attempts=[{"seconds": 3600}, {"seconds": 1800}])
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["gpus"], record["gpu_hours"]) == (8, 12.0)


def test_a_record_names_the_processor_and_the_kernels(tmp_path, monkeypatch):
    """Bits repeat on one kind of them."""
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    Execution("analyse", load_study("laptop").analyse_spec()).write(tmp_path / "run.json", [])
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["processor"] == machine.processor() != ""
    assert record["kernels"]["MKL_CBWR"] == "COMPATIBLE"
    assert record["kernels"]["torch"] == torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize(
    ("cpuinfo", "system", "expected"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC 9754\nflags\t: fpu\n", "linux", "AMD EPYC 9754"),
        ("processor\t: 0\nCPU part\t: 0xd40\n", "linux", "aarch64"),
        (None, "darwin", "Apple M4"),
    ],
)
def test_the_processor_is_named_on_every_system(cpuinfo, system, expected, monkeypatch):
    def read_text(path, encoding):
        if cpuinfo is None:
            raise FileNotFoundError(path)
        return cpuinfo

    monkeypatch.setattr(machine.Path, "read_text", read_text)
    monkeypatch.setattr(machine.sys, "platform", system)
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "Apple M4\n"))
    assert machine.processor() == expected


def test_kernels_are_not_asked_of_a_torch_that_nothing_uses():
    code = "import smoothgates.provenance.run_record as p, sys; print(p.kernels(), 'torch' in sys.modules)"
    env = {key: value for key, value in os.environ.items() if key not in ("ATEN_CPU_CAPABILITY", "MKL_CBWR")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "{} False\n"


def test_the_report_names_every_processor_and_its_kernels():
    """And says so of runs that are older than the fact."""
    base = {
        "commit": "c",
        "dirty": False,
        "env": "train",
        "lock_sha256": "l",
        "drift": {},
        "python": "3",
        "machine": "m",
    }
    runs = [
        {"processor": "A", "kernels": {"torch": "AVX512"}},
        {"processor": "B", "kernels": {"torch": "DEFAULT", "ATEN_CPU_CAPABILITY": "default"}},
        {"processor": "A", "kernels": {}},
        {},
    ]
    found = dict(origins([{**base, **run, "versions": {}} for run in runs]))
    assert found["processor"] == ["A", "B", "not recorded"]
    assert found["kernels"] == ["ATEN_CPU_CAPABILITY default, torch DEFAULT", "not recorded", "torch AVX512"]
