"""The DAG: time and memory of reading the rules, and of dry runs of the laptop study and of ten thousand jobs.

python tests/bench/dag.py
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from smoothgates.jobs.dag import jobs_of
from smoothgates.study.loader import load_study

JOBS = 10_000


def measure(study: str, *arguments: str) -> tuple[float, float]:
    """Seconds and peak MiB of a Snakemake command."""
    command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--config", f"study={study}"]
    began = time.perf_counter()
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)}: exit status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def grown(folder: Path) -> Path:
    """The laptop study with enough seeds for ten thousand jobs."""
    content = yaml.safe_load(Path("config/laptop.yaml").read_text())
    each = [len(jobs_of(load_study(str(write(folder, content, seeds))))) for seeds in (1, 2)]
    return write(folder, content, math.ceil((JOBS - each[0]) / (each[1] - each[0])) + 1)


def write(folder: Path, content: dict, seeds: int) -> Path:
    path = folder / "grown.yaml"
    table = str(Path("config/methods.yaml").resolve())
    path.write_text(yaml.safe_dump({**content, "seeds": list(range(seeds)), "method_table": table}))
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        study = grown(Path(name))
        rows = [
            ("read the rules", 0, measure("laptop", "--list-rules")),
            ("dry run", len(jobs_of(load_study("laptop"))), measure("laptop", "--dry-run")),
            ("dry run", len(jobs_of(load_study(str(study)))), measure(str(study), "--dry-run")),
        ]
    print(f"{'':<16}{'jobs':>8}{'seconds':>10}{'MiB':>8}")
    for what, jobs, (seconds, mib) in rows:
        print(f"{what:<16}{jobs or '':>8}{seconds:>10.1f}{mib:>8.0f}")


if __name__ == "__main__":
    main()
