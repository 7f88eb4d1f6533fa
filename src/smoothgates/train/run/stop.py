"""When to stop on purpose: before the time is up, and when asked to by a signal. A later attempt goes on."""

import signal
import time


class Stop:
    """A context in which SIGTERM and SIGINT ask to stop instead of ending the process. A second SIGINT ends it: that is
    a person who does not want to wait. A second SIGTERM is not: a cluster sends one to every process of a job, and
    Snakemake passes its own on.

    Not meant for signals that a cluster sends some time before it ends a job: those reach every process of the job.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)
    LEAST = 60.0
    """Seconds of the budget that are kept back in any case, for start and end."""

    def __init__(self, wall_minutes: float | None = None):
        """A budget counts from here."""
        self.began, self.last = time.monotonic(), None
        self.budget = None if wall_minutes is None else 60 * wall_minutes
        self.longest = 0.0
        """Seconds of the longest act so far: another one must still fit."""
        self.asked: str | None = None

    def reason(self, save_seconds: float) -> str | None:
        """Why to stop now, if so. To be asked after each act; a checkpoint takes `save_seconds`."""
        now = time.monotonic()
        self.longest = max(self.longest, now - (self.last or now))
        self.last = now
        if self.asked:
            return self.asked
        if self.budget is None:
            return None
        margin = min(self.budget / 4, self.LEAST + 2 * save_seconds + self.longest)
        return "its time is nearly up" if now - self.began > self.budget - margin else None

    def __enter__(self) -> "Stop":
        self.before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _) -> None:
        self.asked = f"asked to by {signal.Signals(number).name}"
        if number == signal.SIGINT:
            signal.signal(number, self.before[number])
