"""What the study cost and where its results came from, from the run.json files beside them."""

import json
from pathlib import Path

import pandas as pd


def executions(results: Path) -> list[dict]:
    """Every run.json and ….run.json below a study's results."""
    return [json.loads(path.read_text()) for path in sorted(results.rglob("*run.json"))]


def costs(results: Path) -> pd.DataFrame:
    """One row a stage. Seconds are those of all attempts, CPU seconds of the last ones."""
    runs = executions(results)
    if not runs:
        return pd.DataFrame()
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


def origins(results: Path) -> list[tuple[str, list[str]]]:
    """Facts that should have one value over all results, with every value found."""
    runs = executions(results)
    found = {
        "commit": {f"{run['commit']}{' with uncommitted changes' if run['dirty'] else ''}" for run in runs},
        "environment": {environment(run) for run in runs},
        "Python": {run["python"] for run in runs},
        "machine": {run["machine"] for run in runs},
    }
    for name in sorted({name for run in runs for name in run["versions"]}):
        found[name] = {run["versions"].get(name, "absent") for run in runs}
    return [(fact, sorted(values)) for fact, values in found.items()]


def environment(run: dict) -> str:
    """Name and digest of what was pinned, and what was installed instead."""
    pairs = sorted(run["drift"].items())
    others = [f"{name} {found or 'absent'} instead of {pinned}" for name, (pinned, found) in pairs]
    return f"{run['env']}, lock {run['lock_sha256']}" + (f", but {', '.join(others)}" if others else "")
