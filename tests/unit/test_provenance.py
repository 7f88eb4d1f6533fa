"""What the records of results say about the machine and the time that they took."""

import json
import os
import subprocess
import sys

import pytest
import torch

from smoothgates.provenance import machine, run_record
from smoothgates.provenance.run_record import Execution
from smoothgates.report.runs import origins
from smoothgates.study.loader import load_study


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
    tasks = loaded("from smoothgates.tasks import NAMES, load_rewards; print(*map(load_rewards, NAMES))")
    assert not tasks & {"datasets", "flint", "math_verify", "sympy", "bm25s", "faiss", "numpy"}


def test_gpu_hours_are_those_of_all_attempts_and_ranks(tmp_path, monkeypatch):
    monkeypatch.setattr(run_record, "gpus", lambda: 8)
    execution = Execution("analyse", load_study("laptop").analyse_spec())
    execution.write(tmp_path / "run.json", [], attempts=[{"seconds": 3600}, {"seconds": 1800}])
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["gpus"], record["gpu_hours"]) == (8, 12.0)


def test_results_of_one_process_share_its_cpu_seconds(tmp_path):
    spec, charged = load_study("laptop").analyse_spec(), 0.0
    for name in ("a", "b"):
        charged = Execution("analyse", spec, charged=charged).write(tmp_path / name, [])
    shares = [json.loads((tmp_path / name).read_text())["cpu_seconds"] for name in ("a", "b")]
    assert sum(shares) == pytest.approx(charged, abs=0.001), "rounded to a millisecond each"


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
    code = "import smoothgates.provenance.machine as m, sys; print(m.kernels(), 'torch' in sys.modules)"
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
