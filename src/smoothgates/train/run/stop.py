"""When to stop on purpose: before the time limit, or on a signal. A later attempt resumes the run."""

import signal
import time


class Stop:
    """A context in which SIGTERM and SIGINT request a stop instead of ending the process.

    A second SIGINT ends the process: a person does not want to wait. A second SIGTERM does not: a cluster sends one to
    every process of a job, and Snakemake forwards its own.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)
    LEAST = 60.0
    """Seconds of the time budget that are always reserved, for the start and the end of the process."""

    def __init__(self, wall_minutes: float | None = None):
        """The time budget counts from here; None: no limit."""
        self.began, self.last = time.monotonic(), None
        self.budget = None if wall_minutes is None else 60 * wall_minutes
        self.longest = 0.0
        """Seconds of the longest pass of the training loop so far: another one must still fit."""
        self.requested: str | None = None

    def reason(self, save_seconds: float) -> str | None:
        """The reason to stop now, if there is one. To be called after each pass; a checkpoint takes `save_seconds`."""
        now = time.monotonic()
        self.longest = max(self.longest, now - (self.last or now))
        self.last = now
        if self.requested:
            return self.requested
        if self.budget is None:
            return None
        margin = min(self.budget / 4, self.LEAST + 2 * save_seconds + self.longest)
        return "the time limit is near" if now - self.began > self.budget - margin else None

    def __enter__(self) -> "Stop":
        self.before = {number: signal.signal(number, self._request) for number in self.SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _request(self, number: int, _) -> None:
        self.requested = f"received {signal.Signals(number).name}"
        if number == signal.SIGINT:
            signal.signal(number, self.before[number])
