"""The plan of a study: the cost of each job, summed by rule, and the time until the last has ended."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from smoothgates.jobs.dag import Job, jobs_of
from smoothgates.ops.plan.history import Estimate, History, finished, past_elsewhere, past_of, records_of
from smoothgates.ops.plan.load import load_of
from smoothgates.ops.plan.machine import Machine, machine_for
from smoothgates.ops.plan.model import cost
from smoothgates.ops.plan.schedule import pending, wall_seconds
from smoothgates.study.loader import LoadedStudy


@dataclass(frozen=True)
class Row:
    """The jobs of one rule. Hours are those of GPUs if its jobs hold any, else of cores."""

    rule: str
    jobs: int
    to_do: int
    seconds_per_job: float
    gpus: int
    """GPUs that a job holds. 0: it holds a core."""
    hours: float
    """Hours of all jobs."""
    hours_to_do: float
    bytes: float
    """Bytes of all results."""
    bytes_to_do: float
    peak_bytes: float
    """Peak memory of a GPU, or of a process."""
    source: str


@dataclass(frozen=True)
class Plan:
    """What a study takes on a machine that runs `concurrency` jobs at once."""

    study: str
    machine: str
    about: str
    memory_bytes: float
    """Memory of a GPU, or the limit for a process."""
    concurrency: int
    rows: list[Row]
    wall_seconds: float
    wall_seconds_to_do: float
    chain_seconds: float
    """Seconds of the longest chain of jobs, a lower bound at any concurrency."""
    work_bytes: float
    """Most bytes in work directories at any time."""


def plan(study: LoadedStudy, machine_name: str | None = None, concurrency: int | None = None) -> Plan:
    """Plan a study for a machine, by default the first with its device. Raises BadInput."""
    name, machine = machine_for(machine_name, study.config.device)
    concurrency = concurrency or (os.cpu_count() or 1 if machine.device == "cpu" else 1)
    jobs = jobs_of(study, planned=True)
    records = [records_of(job) for job in jobs]
    todo = pending(jobs, [finished(study, job, found) for job, found in zip(jobs, records)])
    estimates = estimated(study, machine, jobs, records)
    seconds = [estimate.cost.seconds for estimate in estimates]
    left = [i for i, is_todo in enumerate(todo) if is_todo]
    rules = dict.fromkeys(job.rule for job in jobs)
    return Plan(
        study=study.name,
        machine=name,
        about=f"{machine.accelerators} × {machine.about} a training job" if machine.device == "cuda" else machine.about,
        memory_bytes=machine.memory_gb * 1e9,
        concurrency=concurrency,
        rows=[row(rule, jobs, todo, estimates) for rule in rules],
        wall_seconds=wall_seconds(jobs, seconds, concurrency),
        wall_seconds_to_do=wall_seconds([jobs[i] for i in left], [seconds[i] for i in left], concurrency),
        chain_seconds=wall_seconds(jobs, seconds, len(jobs)),
        work_bytes=sum(sorted((estimates[i].cost.work for i in left), reverse=True)[:concurrency]),
    )


def estimated(
    study: LoadedStudy, machine: Machine, jobs: list[Job], records: list[list[dict] | None]
) -> list[Estimate]:
    """The estimate of each job. Finished jobs count only if they ran on the device that is planned for."""
    own, elsewhere = [], []
    if machine.device == study.config.device:
        own = [past for job, found in zip(jobs, records) if (past := past_of(job, found, study, machine))]
        if {job.stage for job in jobs} - {past.stage for past in own}:
            elsewhere = past_elsewhere(study, machine)
    history = History(own, elsewhere)
    return [history.estimate(job, cost(load_of(job, study), machine)) for job in jobs]


@cache
def expected(study: LoadedStudy) -> Callable[[Job], float]:
    """The seconds that the cost model alone expects of a job of the study, on the first machine with its device."""
    _, machine = machine_for(None, study.config.device)
    return lambda job: cost(load_of(job, study), machine).seconds


def row(rule: str, jobs: list[Job], todo: list[bool], estimates: list[Estimate]) -> Row:
    mine = [i for i, job in enumerate(jobs) if job.rule == rule]
    costs = [estimates[i].cost for i in mine]
    hours = [cost.seconds / 3600 * max(cost.accelerators, 1) for cost in costs]
    return Row(
        rule=rule,
        jobs=len(mine),
        to_do=sum(todo[i] for i in mine),
        seconds_per_job=sum(cost.seconds for cost in costs) / len(mine),
        gpus=max(cost.accelerators for cost in costs),
        hours=sum(hours),
        hours_to_do=sum(h for h, i in zip(hours, mine) if todo[i]),
        bytes=sum(cost.results for cost in costs),
        bytes_to_do=sum(cost.results for cost, i in zip(costs, mine) if todo[i]),
        peak_bytes=max(cost.memory for cost in costs),
        source="; ".join(Counter(estimates[i].source for i in mine)),
    )
