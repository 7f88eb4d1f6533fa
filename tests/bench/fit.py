"""Fit the cost model of `plan` for CPUs to finished studies, write it, and print its error on what it has not seen.

python tests/bench/fit.py laptop tests/bench/wide.yaml

Run it where these studies have finished: it replaces the fitted constants in the entry `cpu` of config/machines.yaml.
Measured are the CPU seconds of run records, because a busy machine changes them less than wall times. Predicted is what
`plan` says before anything has run: lengths are expected, not measured.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from smoothgates.errors import BadInput
from smoothgates.io.files import write_atomically
from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.plan.history import records_of
from smoothgates.ops.plan.load import Load, load_of
from smoothgates.ops.plan.machine import MACHINES, Machine, load_machines
from smoothgates.ops.plan.model import cost
from smoothgates.provenance.run_record import spec_digest
from smoothgates.study.loader import LoadedStudy, load_study

NAME = "cpu"
FITTED = ("training", "decoding", "pass_seconds", "update_seconds", "completion_seconds", "start_seconds")
"""The constants that are fitted. `tflops` only gives the shares their unit."""
STAGES = ("policy", "train", "evaluate")
"""The stages whose load has the fitted constants: those that use a policy."""
SHARES = ("training", "decoding")


@dataclass(frozen=True)
class Cell:
    """Jobs that differ in method and seed alone, so that their loads are about equal."""

    stage: str
    group: str
    """Study and task."""
    name: str
    load: Load
    seconds: float
    """Median CPU seconds of a job."""


def cells_of(study: LoadedStudy) -> list[Cell]:
    """The cells of a finished study. A job without a result, or with one of another spec, does not count."""
    found = defaultdict(list)
    for job in jobs_of(study, planned=True):
        records = records_of(job) if job.stage in STAGES else None
        if records and records[0]["spec_sha256"] == spec_digest(job.spec):
            cell = (job.stage, f"{study.name}/{job.task}", f"{job.rule}/{job.regime}/{job.benchmark}".rstrip("/"))
            found[cell].append((load_of(job, study), sum(record["cpu_seconds"] for record in records)))
    return [Cell(*cell, jobs[0][0], float(np.median([spent for _, spent in jobs]))) for cell, jobs in found.items()]


def fit(machine: Machine, cells: list[Cell]) -> Machine:
    """The machine with those constants for which the sum of log²(predicted / measured) over the cells is least.

    It searches over logarithms, so constants stay positive. It knows of the model nothing but `cost`.
    """

    def with_constants(logs: np.ndarray) -> Machine:
        return machine.model_copy(update=dict(zip(FITTED, np.exp(logs).tolist())))

    def errors(logs: np.ndarray) -> list[float]:
        guess = with_constants(logs)
        return [log_ratio(cell, guess) for cell in cells]

    first = [log(max(getattr(machine, name), 1e-4)) for name in FITTED]
    most = [log(1.0 if name in SHARES else 1e3) for name in FITTED]
    return with_constants(least_squares(errors, first, bounds=([log(1e-8)] * len(FITTED), most), x_scale=0.1).x)


def log_ratio(cell: Cell, machine: Machine) -> float:
    """log(predicted / measured) seconds."""
    return log(cost(cell.load, machine).seconds / cell.seconds)


def held_out(machine: Machine, cells: list[Cell], part: Callable[[Cell], object]) -> list[float]:
    """The log-ratio of each cell by a fit to the cells of all other parts."""
    fits = {
        each: fit(machine, [cell for cell in cells if part(cell) != each]) for each in dict.fromkeys(map(part, cells))
    }
    return [log_ratio(cell, fits[part(cell)]) for cell in cells]


def write(machine: Machine, path: Path = MACHINES) -> None:
    """Put the fitted constants into the machine's entry, and leave every other line as it is."""
    head, entry, rest = re.split(rf"^({NAME}:\n(?:[ ].*\n)*)", path.read_text(), maxsplit=1, flags=re.MULTILINE)
    for name in FITTED:
        number = np.format_float_positional(getattr(machine, name), 3, unique=False, fractional=False, trim="0")
        entry = re.sub(rf"^  {name}: .*$", f"  {name}: {number}", entry, flags=re.MULTILINE)  # YAML reads 2e-5 as text
    write_atomically(path, (head + entry + rest).encode())


def facts(cells: list[Cell], errors: list[float], how: str) -> list[dict]:
    """The median and the 90th percentile of the error of each stage, as factors."""
    found = []
    for stage in STAGES:
        off = [abs(error) for cell, error in zip(cells, errors) if cell.stage == stage]
        for what, share in ("median", 50), ("90th percentile", 90):
            value = exp(float(np.percentile(off, share)))
            found.append({"what": f"{stage}, {how}: {what} of the error", "value": value, "unit": "x"})
    return found


def main(studies: list[str]) -> None:
    cells = [cell for name in studies for cell in cells_of(load_study(name))]
    if missing := set(STAGES) - {cell.stage for cell in cells}:
        raise BadInput(f"results/: no finished job of stage {min(missing)}: expected finished studies, got {studies}")
    machine = load_machines()[NAME]
    fitted = fit(machine, cells)
    each, whole = (held_out(machine, cells, part) for part in (lambda cell: cell, lambda cell: cell.group))
    print(f"{'':<48}{'CPU s':>8}{'before':>8}{'fitted':>8}{'held out':>10}{'whole task held out':>21}")
    for cell, alone, apart in zip(cells, each, whole):
        factors = [exp(log_ratio(cell, machine)), exp(log_ratio(cell, fitted)), exp(alone), exp(apart)]
        print(
            "{:<48}{:>8.2f}{:>8.2f}{:>8.2f}{:>10.2f}{:>21.2f}".format(
                f"{cell.group} {cell.name}", cell.seconds, *factors
            )
        )
    for fact in (*facts(cells, each, "cell held out"), *facts(cells, whole, "task held out")):
        print(f"{fact['what']:<64}{fact['value']:>6.2f} {fact['unit']}")
    write(fitted)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
