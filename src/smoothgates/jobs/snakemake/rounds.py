"""Rounds of Snakemake's scheduler: no more than one is planned ahead."""

import time

from snakemake.scheduling.job_scheduler import JobScheduler


def plan_one_at_a_time() -> None:
    """Change Snakemake's scheduler so that it plans no round while another one is due.

    Each round looks at every job that is ready, and plans another one a timespan of `max-jobs-per-timespan` later. A
    finished job causes a round as well, and so starts a chain of rounds that does not end: after a thousand jobs there
    would be a thousand rounds in each timespan.
    """
    JobScheduler._schedule_reevalutation = once(JobScheduler._schedule_reevalutation)


def once(plan):
    def plan_unless_due(scheduler, delay: float) -> None:
        now = time.monotonic()
        if getattr(scheduler, "next_round", now) <= now:
            scheduler.next_round = now + delay
            plan(scheduler, delay)

    return plan_unless_due
