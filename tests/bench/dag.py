"""Snakemake's own share: processor time and memory of reading the rules, of dry runs, and of studies of empty jobs.

python tests/bench/dag.py

Each function returns facts: what was measured, its value and its unit. Seconds are CPU seconds of the Snakemake process
alone (RUSAGE_SELF): those of its jobs are in RUSAGE_CHILDREN, and other work on the machine changes wall times most.
"""

import math
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import yaml

from smoothgates.jobs.dag import Job, jobs_of
from smoothgates.study.loader import load_study

ROOT = Path(__file__).resolve().parents[2]
JOBS = 10_000
PAUSE = 0.5
"""Seconds that each job of the second study of empty jobs takes, because Snakemake works while it waits."""
SNAKEMAKE = """
import atexit, resource, sys
def report():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print("usage", usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
atexit.register(report)
from snakemake.cli import main
main(sys.argv[1:])
"""


def measure(folder: Path, study: str, *arguments: str, path: Path | None = None) -> tuple[float, float]:
    """CPU seconds and peak MiB of a Snakemake process in a working directory. `path`: searched before PATH."""
    options = ["--snakefile", ROOT / "Snakefile", "--profile", ROOT / "workflow/profiles/local", "--cores", "2"]
    done = subprocess.run(
        [sys.executable, "-c", SNAKEMAKE, *map(str, options), "--config", f"study={study}", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{path or ''}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stdout[-2000:]}")
    seconds, mib = done.stdout.split("usage ")[-1].split()
    return float(seconds), float(mib)


def reading(study: str = "laptop") -> list[dict]:
    """Reading the rules and the study, beyond what Snakemake takes to say its version."""
    with tempfile.TemporaryDirectory() as name:
        seconds = measure(Path(name), study, "--list-rules")[0] - measure(Path(name), study, "--version")[0]
    return [fact("read the rules", seconds, "s")]


def planning(jobs: int = JOBS) -> list[dict]:
    """A dry run of the laptop study with enough seeds for so many jobs."""
    with tempfile.TemporaryDirectory() as name:
        study = grown(Path(name), jobs)
        seconds, mib = measure(Path(name), str(study), "--dry-run")
        what = f"dry run of {len(jobs_of(load_study(str(study)))):,} jobs"
    return [fact(what, seconds, "s"), fact(what, mib, "MiB")]


def running(study: str = "laptop", pause: float = 0.0) -> list[dict]:
    """A study whose jobs only wait and touch their outputs, and a second run that finds nothing to do."""
    jobs = jobs_of(load_study(study))
    with tempfile.TemporaryDirectory() as name, stubs(jobs, pause) as path:
        seconds, mib = measure(Path(name), study, path=path)
        idle = measure(Path(name), study, path=path)[0]
    what = f"{len(jobs)} jobs of {pause:g} s"
    return [
        fact(what, seconds, "s"),
        fact(f"{what}, each", seconds / len(jobs), "s"),
        fact(what, mib, "MiB"),
        fact(f"nothing to do of {len(jobs)} jobs", idle, "s"),
    ]


def starting(times: int = 20) -> list[dict]:
    """What a job takes before its stage begins: the shell of its rule, and an interpreter that imports nothing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        subprocess.run(["bash", "-c", f"export A=b; exec {sys.executable} -c pass"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [fact("shell and interpreter of a job", spent / times, "s")]


def fact(what: str, value: float, unit: str) -> dict:
    return {"what": what, "value": value, "unit": unit}


@contextmanager
def stubs(jobs: list[Job], pause: float):
    """A folder with a `python` that takes the stages' arguments, waits, and touches what the job has to write."""
    alone = [job for job in jobs if not job.wildcards]  # some of their outputs are no arguments
    cases = "\n".join(f"{job.stage}) touch {' '.join(job.writes)};;" for job in alone)
    with tempfile.TemporaryDirectory() as name:
        stub = Path(name, "python")
        stub.write_text(
            f"#!/bin/sh\nsleep {pause}\ncase $3 in\n{cases}\n"
            '*) while [ $# -gt 1 ]; do case $1 in --out|--metrics) : > "$2";; esac; shift; done;;\nesac\n'
        )
        stub.chmod(0o755)
        yield Path(name)


def grown(folder: Path, jobs: int = JOBS) -> Path:
    """The laptop study with enough seeds for so many jobs."""
    content = yaml.safe_load((ROOT / "config/laptop.yaml").read_text())
    each = [len(jobs_of(load_study(str(write(folder, content, seeds))))) for seeds in (1, 2)]
    return write(folder, content, math.ceil((jobs - each[0]) / (each[1] - each[0])) + 1)


def write(folder: Path, content: dict, seeds: int) -> Path:
    path = folder / "grown.yaml"
    table = str(ROOT / "config/methods.yaml")
    path.write_text(yaml.safe_dump({**content, "seeds": list(range(seeds)), "method_table": table}))
    return path


def main() -> None:
    for each in (*reading(), *planning(), *running(), *running(pause=PAUSE), *starting()):
        print(f"{each['what']:<36}{each['value']:>10.3f} {each['unit']}")


if __name__ == "__main__":
    main()
