"""Rounds of Snakemake's scheduler: no more than one is planned ahead, and Snakemake does not wait for it to end."""

import time
from threading import Timer

from snakemake.scheduling.job_scheduler import JobScheduler


def plan_one_at_a_time() -> None:
    """Change how Snakemake's scheduler plans a round. Call this once, before it runs.

    Each round looks at every job that is ready, and plans another one a timespan of `max-jobs-per-timespan` later. A
    finished job causes a round as well, and so starts a chain of rounds that does not end: after a thousand jobs there
    would be a thousand rounds in each timespan. After the last job, Snakemake would wait for the round that is planned.
    """
    JobScheduler._schedule_reevalutation = plan_round


def plan_round(scheduler: JobScheduler, delay: float) -> None:
    """Let the scheduler look for jobs to run in `delay` seconds, unless it is going to do so earlier."""
    now = time.monotonic()
    if getattr(scheduler, "next_round", now) <= now:
        scheduler.next_round = now + delay
        timer = Timer(delay, scheduler._open_jobs.release)
        timer.daemon = True
        timer.start()
