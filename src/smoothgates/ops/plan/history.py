"""What finished jobs took, and how the estimate of another job follows from them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from smoothgates.errors import BadInput
from smoothgates.io.documents import load_json
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.run_record import RunRecord
from smoothgates.io.records import parse
from smoothgates.jobs.dag import Job, jobs_of, made_by
from smoothgates.ops.plan.load import load_of
from smoothgates.ops.plan.machine import Machine
from smoothgates.ops.plan.model import Cost, cost
from smoothgates.provenance.run_record import spec_digest
from smoothgates.study.loader import LoadedStudy, load_study

MODEL = "model"

COMPARABLE = 10
"""A job of another study counts only if the model's seconds for both jobs are within this factor."""


@dataclass(frozen=True)
class Past:
    """What one finished job took, relative to the cost model."""

    study: str
    rule: str
    stage: str
    task: str
    regime: str
    """The regime. Like the task, it is empty if the job has none."""
    modelled: float
    """Seconds by the cost model."""
    seconds: float
    """Real seconds / the model's."""
    memory: float
    """Real peak / the model's."""
    results: float | None
    """Real bytes / the model's. None if a file of the result is missing."""


def records_of(job: Job) -> list[dict] | None:
    """The run records of a job's results. None if one is missing or damaged."""
    try:
        return [read_manifest(Path(path), RunRecord) for path in job.records]
    except BadInput:
        return None


def finished(study: LoadedStudy, job: Job, records: list[dict] | None) -> bool:
    """Whether the results of a job exist and were made with its current spec, code and environment."""
    current = {f"{what}_sha256": digest for what, digest in made_by(study, job).items()}
    return (
        records is not None
        and all(current.items() <= record.items() for record in records)
        and all(Path(path).exists() for path in job.writes)
    )


def past_of(job: Job, records: list[dict] | None, study: LoadedStudy, machine: Machine) -> Past | None:
    """What a job took. None if it has not run, or the spec of its result cannot be read."""
    if records is None or (then := as_it_was(job, records[0])) is None:
        return None
    modelled = cost(load_of(then, study), machine)
    seconds = machine.start_seconds + sum(map(spent, records))
    size = written(records)
    return Past(
        study=study.name,
        rule=job.rule,
        stage=job.stage,
        task=job.task,
        regime=job.regime,
        modelled=modelled.seconds,
        seconds=seconds / modelled.seconds,
        memory=max(record["peak_mib"] for record in records) * 2**20 / modelled.memory,
        results=None if size is None else size / modelled.results,
    )


def as_it_was(job: Job, record: dict) -> Job | None:
    """The job with the spec that its result was made with, which may differ from the current one."""
    if record["spec_sha256"] == spec_digest(job.spec):
        return job
    try:
        spec = load_json(Path(job.writes[0]))["spec"]
        return replace(job, spec=parse(type(job.spec), spec, job.writes[0]))
    except (LookupError, TypeError, BadInput):
        return None


def spent(record: dict) -> float:
    """Seconds of all attempts at a result."""
    attempts = record.get("attempts") or [record]
    return sum(attempt["seconds"] for attempt in attempts)


def written(records: list[dict]) -> int | None:
    """Bytes of all files that the run records list. None if one is missing."""
    try:
        return sum(Path(path).stat().st_size for record in records for path in record["outputs"])
    except (OSError, KeyError):
        return None


def past_elsewhere(study: LoadedStudy, machine: Machine) -> list[Past]:
    """What the jobs of the other studies in results/ took. Studies without a config file are skipped."""
    found = []
    for folder in sorted(Path("results").glob("*")):
        if folder.name == study.name:
            continue
        try:
            other = load_study(folder.name)
            jobs = jobs_of(other) if other.config.device == study.config.device else []
        except BadInput:
            continue
        found += [past_of(job, records_of(job), other, machine) for job in jobs]
    return [past for past in found if past]


@dataclass(frozen=True)
class Estimate:
    """What a job is expected to take, and the source of the estimate."""

    cost: Cost
    source: str
    """`model`, or `measured: ` and the number of jobs."""


class History:
    """Finished jobs. The nearest to a job are those with its task and regime, else its task, its rule or its stage."""

    def __init__(self, own: Iterable[Past], elsewhere: Iterable[Past]):
        self.own, self.elsewhere = list(own), list(elsewhere)
        self.near: dict[tuple, list[Past]] = {}
        for past in self.own:
            for key in keys(past):
                self.near.setdefault(key, []).append(past)

    def estimate(self, job: Job, modelled: Cost) -> Estimate:
        """The model's cost, scaled by the median of the nearest finished jobs; memory by their maximum."""
        known, source = self._nearest(job, modelled)
        if not known:
            return Estimate(modelled, MODEL)
        sizes = [past.results for past in known if past.results is not None]
        scaled = replace(
            modelled,
            seconds=modelled.seconds * median(past.seconds for past in known),
            # Run records have the memory of a process, not of a GPU.
            memory=modelled.memory * (1 if modelled.accelerators else max(past.memory for past in known)),
            results=modelled.results * (median(sizes) if sizes else 1),
        )
        return Estimate(scaled, source)

    def _nearest(self, job: Job, modelled: Cost) -> tuple[list[Past], str]:
        for key in keys(job):
            if known := self.near.get(key):
                whose = "" if key[0] == job.rule else f" of stage {job.stage}"
                return known, f"measured: {counted(self.near[key[:1]])}{whose}"
        known = [
            past
            for past in self.elsewhere
            if past.stage == job.stage and 1 / COMPARABLE <= past.modelled / modelled.seconds <= COMPARABLE
        ]
        studies = ", ".join(sorted({past.study for past in known}))
        return known, f"measured: {counted(known)} of {studies}"


def counted(known: list[Past]) -> str:
    return f"median of {len(known)} jobs" if len(known) > 1 else "1 job"


def keys(job: Job | Past) -> list[tuple]:
    """Keys that similar jobs share, from the most to the least similar."""
    return [(job.rule, job.task, job.regime), (job.rule, job.task), (job.rule,), (("stage", job.stage),)]
