"""Find jobs that are dead in SLURM while Snakemake waits for them.

Its executor misses some ends: of a job that is cancelled from outside (if it asks sacct), of one that is preempted and
not requeued, and of every job once a check of the queue has failed in a certain way.
"""

import time
from collections.abc import Iterable

from smoothgates.ops.cluster.output import Step
from smoothgates.ops.cluster.slurm import LONGEST_WAIT, Entry

SLACK = 15
"""Seconds that a check of the queue and its consequences may take."""
LATENCY = 60
"""Seconds that Snakemake may wait for the files of a job that has completed, as our profile has it."""


def pause_after(quiet: float, poll: int) -> int:
    """Seconds between two checks by the executor when nothing has finished for `quiet` seconds.

    The pause starts at `poll` and grows by 10 after each check without news.

    >>> pause_after(0, 40), pause_after(100, 40), pause_after(3600, 40)
    (50, 70, 180)
    """
    pause, elapsed = poll, 0
    while elapsed <= quiet and pause < LONGEST_WAIT:
        elapsed += pause
        pause += 10
    return min(pause, LONGEST_WAIT)


class Watch:
    """Compares the jobs that Snakemake waits for with those that SLURM knows, at each check."""

    def __init__(self, poll: int):
        self.poll = poll
        self.dead_since: dict[str, float] = {}
        self.news = time.monotonic()

    def finished(self) -> None:
        """Note that Snakemake has noticed the end of a job, which makes its pauses short again."""
        self.news = time.monotonic()

    def look(self, waiting: Iterable[Step], found: dict[str, Entry]) -> list[Step]:
        """The steps that have been dead for longer than Snakemake can take to notice.

        `found`: the jobs of the run that SLURM knows. A job that is not among them has ended long ago.
        """
        now = time.monotonic()
        dead = {step.slurm: step for step in waiting if step.slurm not in found or not found[step.slurm].live}
        self.dead_since = {job: self.dead_since.get(job, now) for job in dead}
        return [step for job, step in dead.items() if now - self.dead_since[job] > self._grace(job, found.get(job))]

    def _grace(self, job: str, entry: Entry | None) -> float:
        files = LATENCY if entry is None or entry.state == "COMPLETED" else 0
        return pause_after(self.dead_since[job] - self.news, self.poll) + SLACK + files
