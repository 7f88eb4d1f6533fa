"""One line on a terminal for a whole study: its share that is done, and the time left."""

import logging
import shutil
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, TextIO

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

Seconds = Callable[[str, dict[str, str]], float]
"""What a job of a rule with these wildcards is expected to take."""

JOB_MESSAGES = {LogEvent.JOB_STARTED, LogEvent.JOB_INFO, LogEvent.JOB_FINISHED, LogEvent.PROGRESS, LogEvent.SHELLCMD}
"""Snakemake's messages about jobs that go well. Its own log file keeps them."""
SELECTING = "Select jobs to execute"
"""How its message about each round of scheduling begins."""


def show_bar(workflow: Any, seconds: Seconds) -> None:
    """Show a bar instead of several lines for each job, if Snakemake writes to a terminal."""
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream.isatty():
            handler.addFilter(Bar(workflow, seconds, handler.stream))


class Bar(logging.Filter):
    """Keeps the messages about jobs that go well from a terminal, and shows a bar there.

    Jobs differ: a warm start takes as long as several runs. So the bar measures expected seconds, and the time left
    follows from the time that the finished jobs took.
    """

    def __init__(self, workflow: Any, seconds: Seconds, terminal: TextIO):
        super().__init__()
        self.workflow, self.seconds, self.terminal = workflow, seconds, terminal
        self.finished: dict[int, float] = {}
        """The expected seconds of each finished job, by its id."""

    @cached_property
    def jobs(self) -> dict[int, float]:
        """The expected seconds of each job that runs, by its id."""
        dag = self.workflow.dag
        return {dag.jobid(job): self.seconds(job.rule.name, job.wildcards_dict) for job in dag.needrun_jobs()}

    @cached_property
    def began(self) -> float:
        return time.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_FINISHED and record.job_id in self.jobs:
            self.finished[record.job_id] = self.jobs[record.job_id]
        if event in (LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED):
            began = self.began  # the first time, now
            self.terminal.write(f"\r{self.line(time.monotonic() - began)}\x1b[K")
            self.terminal.write("\n" if len(self.finished) == len(self.jobs) else "")
        shown = event not in JOB_MESSAGES and not str(record.msg).startswith(SELECTING)
        if shown and "began" in self.__dict__:
            self.terminal.write("\r\x1b[K")  # a message takes the place of the bar
        self.terminal.flush()
        return shown

    def line(self, elapsed: float) -> str:
        """The bar and its numbers, `elapsed` seconds after the first job began."""
        done = sum(self.finished.values()) / max(sum(self.jobs.values()), 1e-9)
        left = f", {clock(elapsed / done - elapsed)} left" if done else ""
        words = f" {done:4.0%}, {len(self.finished)} of {len(self.jobs)} jobs, {clock(elapsed)} so far{left}"
        width = max(0, min(40, shutil.get_terminal_size().columns - len(words) - 1))
        return "█" * round(done * width) + "░" * (width - round(done * width)) + words


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(59.6), clock(3725)
    ('1:00', '62:05')
    """
    return "{}:{:02d}".format(*divmod(round(seconds), 60))
