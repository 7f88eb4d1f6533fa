"""List and cancel a study's jobs in SLURM, with readable names."""

from pathlib import Path

from smoothgates.io.text import table
from smoothgates.jobs.dag import Job, jobs_of
from smoothgates.ops.cluster import slurm
from smoothgates.ops.cluster.output import Step
from smoothgates.ops.cluster.slurm import Entry
from smoothgates.ops.controller_lock import ControllerLock
from smoothgates.study.loader import LoadedStudy, load_study

HEADINGS = ("id", "state", "job", "node", "elapsed", "why")


class Names:
    """Readable names of a study's jobs, such as `train math/near/erf/seed0`."""

    def __init__(self, study: LoadedStudy):
        jobs = jobs_of(study)
        self.by_comment = {comment_of(job): name_of(job) for job in jobs}
        self.by_output = {job.writes[0]: name_of(job) for job in jobs}

    def of_comment(self, comment: str) -> str:
        """The name of the job with this comment in SLURM. The comment itself if the study has no such job."""
        return self.by_comment.get(comment, comment)

    def of_step(self, step: Step) -> str:
        return self.by_output.get(step.output, step.rule)


def name_of(job: Job) -> str:
    return f"{job.rule} {job.name}".rstrip()


def comment_of(job: Job) -> str:
    """The comment that Snakemake's executor gives a job: its rule, and the values of its wildcards."""
    values = "_".join(str(getattr(job, name)) for name in job.wildcards)
    return f"rule_{job.rule}_wildcards_{values}" if values else f"rule_{job.rule}"


def show(study_name: str) -> int:
    """Print the study's jobs in the queue. Raises BadInput and TryAgain."""
    study = load_study(study_name)
    slurm.require()
    live = slurm.live_jobs(slurm.prefix_of(study.name), Path.cwd())
    print(render(live, Names(study)) if live else f"{study.name}: no job in the queue")
    return 0


def render(entries: list[Entry], names: Names) -> str:
    rows = [HEADINGS]
    for entry in sorted(entries, key=lambda entry: int(entry.id.partition("_")[0])):
        why = "" if entry.reason == "None" else entry.reason
        rows.append((entry.id, entry.state, names.of_comment(entry.comment), entry.node, entry.elapsed, why))
    return "\n".join(table(rows, left=range(len(HEADINGS))))


def cancel(study_name: str) -> int:
    """Cancel the study's jobs that outlived their controller. Raises BadInput, or TryAgain if one is still running."""
    study = load_study(study_name)
    slurm.require()
    _lock = ControllerLock(study.name)  # a running Snakemake would submit them again
    live = slurm.live_jobs(slurm.prefix_of(study.name), Path.cwd())
    slurm.cancel([entry.id for entry in live])
    print(f"{study.name}: {len(live)} jobs cancelled" if live else f"{study.name}: no job in the queue")
    return 0
