"""export: the course of every run of a study, for TensorBoard, or as one table for other tools."""

import csv
import math
import os
import sys
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smoothgates.errors import BadInput
from smoothgates.io.events import NAME, write_events
from smoothgates.io.files import flushed, read_columns, read_json, temporary_folder
from smoothgates.io.manifests.scores import ScoresManifest
from smoothgates.io.paths import Paths
from smoothgates.jobs.dag import Job, jobs_of
from smoothgates.provenance.integrity import vouched
from smoothgates.study.loader import LoadedStudy

Points = list[tuple[int, dict[str, float]]]
"""The metrics at each step, which is a number of optimiser steps, in order."""


def run(study: LoadedStudy, to: str, out: Path, work: Path) -> None:
    """Write the metrics and scores of all RL runs to the folder `out`, and say how many there are.

    A run that has not finished is written up to its newest checkpoint in `work`. Damaged files are named and left out.
    Raises BadInput if `out` holds something, or if there is nothing to write.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out}: expected an empty folder, or a name that is free")
    target = Path(os.path.abspath(out))  # noqa: PTH100 (`.` needs a name, and resolve() would follow a link)
    jobs = [job for job in jobs_of(study) if job.stage == "train"]
    unfinished = {job.name for job in jobs if not Path(job.outputs["metrics"]).exists()}
    with temporary_folder(target) as folder:
        runs = {
            job.name: points(study, job, updates)
            for job in jobs
            if (updates := (at_checkpoint(study, job, work) if job.name in unfinished else finished(job)))
        }
        if not runs:
            raise BadInput(f"{Paths(study.name).results}: no run to export")
        WRITERS[to](folder, runs)
        try:
            folder.rename(target)
        except OSError as error:
            raise BadInput(f"{out}: {error.strerror}") from None
    begun = len(unfinished & runs.keys())
    print(f"{out}: {len(runs)} of {len(jobs)} runs" + (f", {begun} of them not finished" if begun else ""))


def finished(job: Job) -> dict[str, list[float]] | None:
    """Metrics of the updates of a run, by column; None if they are damaged, which is reported in one line."""
    return sound(Path(job.outputs["metrics"]), read_columns)


def at_checkpoint(study: LoadedStudy, job: Job, work: Path) -> dict[str, list[float]] | None:
    """The same at the newest intact checkpoint of a run; None if there is none."""
    from smoothgates.distributed.ranks import Ranks
    from smoothgates.ops.results.workdirs import work_of
    from smoothgates.train.run import checkpoint
    from smoothgates.train.run.workdir import CHECKPOINTS

    try:
        state = checkpoint.load(work / work_of(study, job) / CHECKPOINTS, Ranks())
    except OSError:  # an input of the run is missing, so it has not begun
        return None
    if state is None:
        return None
    tensors, plain, _ = state
    return dict(zip(plain["columns"], tensors["updates"].T.tolist(), strict=True))


def points(study: LoadedStudy, job: Job, updates: dict[str, list[float]]) -> Points:
    """The metrics of a run's updates, and the scores of its checkpoints, each after the updates before it."""
    steps = list(map(int, updates["update"]))
    names = [name for name in updates if name != "update"]
    found = [(step, {f"train/{name}": updates[name][i] for name in names}) for i, step in enumerate(steps)]
    for benchmark in study.config.tasks[job.task].evaluation:
        keys = {"task": job.task, "regime": job.regime, "method": job.method, "seed": job.seed, "benchmark": benchmark}
        scores = sound(Path(Paths(study.name).scores.format(**keys)), read_scores)
        if scores:
            found.append((steps[-1], tagged(f"evaluate/{benchmark}", scores["final"])))
            for point in scores["curve"]:
                made = bisect_right(updates["rollout"], point["rollouts"])
                found.append((steps[made - 1] if made else 0, tagged(f"evaluate/{benchmark}/curve", point)))
    known = [(step, {tag: value for tag, value in values.items() if has_value(value)}) for step, values in found]
    return sorted(known, key=lambda point: point[0])


def read_scores(path: Path) -> dict[str, Any]:
    """The content of a file of scores. Raises BadInput."""
    return read_json(path, ScoresManifest.SCHEMA)


def tagged(prefix: str, values: dict[str, float]) -> dict[str, float]:
    """The same with longer names."""
    return {f"{prefix}/{name}": value for name, value in values.items()}


def sound(path: Path, read: Callable[[Path], Any]) -> Any:
    """What a result file holds; None if it is missing, or damaged, which is reported in one line."""
    if not path.exists():
        return None
    try:
        return read(vouched(path))
    except BadInput as error:
        print(f"left out: {error}", file=sys.stderr)
        return None


def has_value(value: float | None) -> bool:
    """Whether a metric has a value: NaN and None stand for none."""
    return value is not None and not math.isnan(value)


def write_tensorboard(folder: Path, runs: dict[str, Points]) -> None:
    """One event file for each run, in a folder of its name."""
    for name, found in runs.items():
        (folder / name).mkdir(parents=True)
        with flushed(folder / name / NAME) as file:
            write_events(file, found)


def write_csv(folder: Path, runs: dict[str, Points]) -> None:
    """One table: run, step, metric, value."""
    with open(folder / "metrics.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["run", "step", "metric", "value"])
        for name, found in runs.items():
            table.writerows((name, step, tag, value) for step, values in found for tag, value in values.items())


WRITERS = {"tensorboard": write_tensorboard, "csv": write_csv}
"""By the format."""
