"""Settle the results of jobs that outlived the Snakemake that submitted them.

That Snakemake did not record that they finished. The next one would find results without records, keep them whatever
they were made from, and never notice a change.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from smoothgates.jobs.dag import Job, jobs_of
from smoothgates.ops.cluster.output import Step
from smoothgates.ops.results.inventory import results_of
from smoothgates.ops.results.verify import verify
from smoothgates.ops.touch import touch
from smoothgates.study.loader import LoadedStudy


def settle(study: LoadedStudy, waiting: Iterable[Step]) -> tuple[list[Job], list[Job]]:
    """Settle the steps that Snakemake was `waiting` for when it ended, if their results exist.

    Results that would be made the same way today get Snakemake's records. The declared files of the others are deleted.
    Returns the (kept, removed) jobs.
    """
    ran = {step.output: step.slurm for step in waiting}
    by_output = {job.writes[0]: job for job in jobs_of(study)}
    finished = [by_output[path] for path, slurm in ran.items() if path in by_output and _made(by_output[path], slurm)]
    if not finished:
        return [], []
    sound = {job.writes for job in verify(study, thorough=False).jobs("done")}
    kept = [job for job in finished if job.writes in sound]
    removed = [job for job in finished if job.writes not in sound]
    for job in removed:
        for path in job.writes:
            Path(path).unlink(missing_ok=True)
    _record(study, kept)
    return kept, removed


def _made(job: Job, slurm: str | None) -> bool:
    """Whether the results of a job exist, and are not older ones that this SLURM job should have replaced."""
    older = any(result.facts and result.facts["job"] != slurm for result in results_of(job))
    return all(Path(path).exists() for path in job.writes) and not older


def _record(study: LoadedStudy, jobs: list[Job]) -> None:
    """Let Snakemake write its records. Only the job's rule is allowed, so that its inputs are not recorded as new."""
    outputs = defaultdict(list)
    for job in jobs:
        outputs[job.rule] += job.writes
    for rule, paths in outputs.items():
        touch(study.path, paths, "--cores", "1", "--force", "--allowed-rules", rule, quiet=True)
