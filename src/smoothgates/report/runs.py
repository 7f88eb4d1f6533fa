"""Cost and origin of a study's results, from their run records."""

from itertools import product
from pathlib import Path

import pandas as pd

from smoothgates.errors import BadInput
from smoothgates.io.paths import Paths, record_of
from smoothgates.provenance.integrity import fault_of, read_record
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.report import ReportSpec

UNKNOWN = "not recorded"
"""Shown for run records that lack a fact."""


def results_of(paths: Paths, analysed: AnalyseSpec, spec: ReportSpec) -> list[str]:
    """One file of each result that the report uses. Each result comes after those that it depends on."""
    runs = [
        {"task": task, "regime": regime, "method": method, "seed": seed}
        for task, chosen in analysed.tasks.items()
        for (regime, method), seed in product(chosen.arms, analysed.seeds)
    ]
    return [
        *(paths.data.format(task=task) for task in analysed.tasks),
        *(paths.index.format(index=name) for name in spec.indexes),
        *(paths.gate_check.format(gate=gate) for gate in sorted({method.gate for method in spec.methods.values()})),
        *(paths.model_of(**run) for run in runs),
        *(
            paths.scores.format(**run, benchmark=name)
            for run in runs
            for name in analysed.tasks[run["task"]].benchmarks
        ),
        paths.gates,
        paths.comparisons,
    ]


def executions(results: list[str]) -> tuple[list[dict], list[dict]]:
    """The run records of these results, and a gap for each record that is damaged or missing."""
    runs, gaps = [], []
    for record in map(record_of, results):
        try:
            runs.append(read_record(Path(record)))
        except BadInput as error:
            gaps.append(fault_of(error))
    return runs, gaps


def costs(runs: list[dict]) -> pd.DataFrame:
    """One row per stage. `seconds` covers all attempts, `cpu_seconds` only the last attempt at each result."""
    attempts = [run.get("attempts") or [run] for run in runs]
    frame = pd.DataFrame(runs).assign(
        attempts=list(map(len, attempts)), seconds=[sum(each["seconds"] for each in made) for made in attempts]
    )
    order = {stage: i for i, stage in enumerate(frame["stage"].unique())}
    grouped = frame.groupby("stage").agg(
        results=("stage", "size"),
        attempts=("attempts", "sum"),
        cpu_seconds=("cpu_seconds", "sum"),
        seconds=("seconds", "sum"),
        peak_mib=("peak_mib", "max"),
    )
    return grouped.reset_index().sort_values("stage", key=lambda names: names.map(order))


def origins(runs: list[dict]) -> list[tuple[str, list[str]]]:
    """Facts that should be the same for all results, each with every value found."""
    found = {
        "commit": {f"{run['commit']}{' with uncommitted changes' if run['dirty'] else ''}" for run in runs},
        "environment": {environment(run) for run in runs},
        "Python": {run["python"] for run in runs},
        "machine": {run["machine"] for run in runs},
        "processor": {run.get("processor", UNKNOWN) for run in runs},
        "kernels": {kernels(run) for run in runs if run.get("kernels", True)},
    }
    for name in sorted({name for run in runs for name in run["versions"]}):
        found[name] = {run["versions"].get(name, "absent") for run in runs}
    return [(fact, sorted(values)) for fact, values in found.items()]


def kernels(run: dict) -> str:
    """The kernels that computed a result, and the settings that chose them."""
    return ", ".join(f"{name} {value}" for name, value in sorted(run.get("kernels", {}).items())) or UNKNOWN


def environment(run: dict) -> str:
    """Name and lock digest of the environment, and the packages that differ from their pins."""
    pairs = sorted(run["drift"].items())
    others = [f"{name} {found or 'absent'} instead of {pinned}" for name, (pinned, found) in pairs]
    return f"{run['env']}, lock {run['lock_sha256']}" + (f", but {', '.join(others)}" if others else "")
