"""Find jobs that are dead in SLURM while Snakemake waits for them.

Its executor does not notice the end of a job that is cancelled from outside (if it asks sacct), of one that is
preempted and not requeued, or of any job after a check of the queue has failed in a certain way.
"""

import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from smoothgates.io.documents import read_yaml
from smoothgates.ops.cluster.output import Step
from smoothgates.ops.cluster.slurm import LONGEST_WAIT, Entry

SLACK = 15
"""Seconds that a check of the queue and its consequences may take."""
LATENCY = 5
"""Seconds that Snakemake waits for the files of a completed job unless a profile says otherwise."""


def latency_wait(profiles: Iterable[Path]) -> int:
    """Seconds that Snakemake waits for the files of a completed job: `latency-wait` of the last profile that has it.

    A profile is a folder or a file. Raises BadInput if one is not YAML.
    """
    files = chain.from_iterable(path.glob("profile*.yaml") if path.is_dir() else [path] for path in profiles)
    found = [read_yaml(file).get("latency-wait") for file in files if file.is_file()]
    return next((int(seconds) for seconds in reversed(found) if seconds is not None), LATENCY)


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

    def __init__(self, poll: int, latency: int):
        """`poll`: seconds before the executor's first look at the queue. `latency`: as `latency_wait` gives it."""
        self.poll, self.latency = poll, latency
        self.dead_since: dict[str, float] = {}
        self.news = time.monotonic()

    def finished(self) -> None:
        """Note that Snakemake has noticed the end of a job, which makes its pauses short again."""
        self.news = time.monotonic()

    def look(self, waiting: Iterable[Step], found: dict[str, Entry]) -> list[Step]:
        """The steps that have been dead for longer than Snakemake should take to notice.

        `found`: the jobs of the run that SLURM knows. A job that is not among them has ended long ago.
        """
        now = time.monotonic()
        dead = {step.slurm: step for step in waiting if step.slurm not in found or not found[step.slurm].live}
        self.dead_since = {job: self.dead_since.get(job, now) for job in dead}
        return [step for job, step in dead.items() if now - self.dead_since[job] > self._grace(job, found.get(job))]

    def _grace(self, job: str, entry: Entry | None) -> float:
        files = self.latency if entry is None or entry.state == "COMPLETED" else 0
        return pause_after(self.dead_since[job] - self.news, self.poll) + SLACK + files
