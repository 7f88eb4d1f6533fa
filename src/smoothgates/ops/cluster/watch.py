"""Jobs that are dead in SLURM while Snakemake waits for them: the hangs.

Its executor never notices some ends: a job that is cancelled from outside (where it asks sacct), one that is preempted
and not put back into the queue, and any end at all once a look at the queue has failed in a certain way.
"""

import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from smoothgates.io.documents import read_yaml
from smoothgates.ops.cluster.output import Step
from smoothgates.ops.cluster.slurm import LONGEST_WAIT, Entry

SLACK = 15
"""Seconds that a look at the queue may take, and what follows from it."""
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
    """Seconds between two looks of the executor when nothing has finished for `quiet` seconds.

    It starts at `poll` and adds 10 after each look that finds nothing new.

    >>> pause_after(0, 40), pause_after(100, 40), pause_after(3600, 40)
    (50, 70, 180)
    """
    pause, elapsed = poll, 0
    while elapsed <= quiet and pause < LONGEST_WAIT:
        elapsed += pause
        pause += 10
    return min(pause, LONGEST_WAIT)


class Watch:
    """Compares what Snakemake waits for with what SLURM says, look by look."""

    def __init__(self, poll: int, latency: int):
        """`poll`: seconds before the executor's first look at the queue. `latency`: as `latency_wait` gives it."""
        self.poll, self.latency = poll, latency
        self.dead_since: dict[str, float] = {}
        self.news = time.monotonic()

    def finished(self) -> None:
        """Snakemake has noticed that a job finished, which makes it look often again."""
        self.news = time.monotonic()

    def look(self, waiting: Iterable[Step], found: dict[str, Entry]) -> list[Step]:
        """The steps that have been dead for longer than Snakemake can need to notice.

        `found` is all that SLURM knows of the run; a job that is not among it is one that SLURM has forgotten.
        """
        now = time.monotonic()
        dead = {step.slurm: step for step in waiting if step.slurm not in found or not found[step.slurm].live}
        self.dead_since = {job: self.dead_since.get(job, now) for job in dead}
        return [step for job, step in dead.items() if now - self.dead_since[job] > self._grace(job, found.get(job))]

    def _grace(self, job: str, entry: Entry | None) -> float:
        files = self.latency if entry is None or entry.state == "COMPLETED" else 0
        return pause_after(self.dead_since[job] - self.news, self.poll) + SLACK + files
