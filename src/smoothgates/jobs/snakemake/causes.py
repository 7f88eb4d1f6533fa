"""Why jobs failed or stopped, taken from the last lines of their logs and printed last."""

import logging
import re
import signal
import sys
from collections import defaultdict
from pathlib import Path

LOG = re.compile(r">> '?(logs/[^\s']+)'? 2>&1")
STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>")
STOPPING = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
"""How Snakemake's messages begin after SIGINT and SIGTERM."""
AGAIN = 75
SHOWN = 5
"""Most causes to print. Many jobs may share one cause."""


class Causes(logging.Filter):
    """Replaces the command of a failed job in Snakemake's messages with the cause, and collects these jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, int] = {}
        """Exit code of each job that did not finish, by its log. It is 128 + N if signal N killed the job."""
        self.stopping = False

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        self.stopping |= message.startswith(STOPPING)
        status, logs = STATUS.search(message), LOG.findall(message)
        if status and logs:
            log, code = logs[-1], int(status[1] or 128 + int(status[2]))
            self.ended[log] = code
            record.msg = f"{self.word(code)} {name_of(log)}: {cause_of(log, code)}"
        return True

    def word(self, code: int) -> str:
        """`stopped` or `failed`. A job that Ctrl-C or SIGTERM ended did not fail."""
        asked = self.stopping and code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
        return "stopped" if asked or code == AGAIN else "failed"

    def print_causes(self) -> int:
        """Print the causes, failures last. Return the exit code: 1 if a job failed, 75 if all jobs only stopped."""
        logs = defaultdict(list)
        for log, code in self.ended.items():
            if self.word(code) == "failed" or code == AGAIN:
                logs[self.word(code), cause_of(log, code)].append(log)
        ordered = sorted(logs, reverse=True)
        if len(ordered) > SHOWN:
            print(f"{len(ordered)} causes, the last {SHOWN} of them:", file=sys.stderr)
        for word, cause in ordered[-SHOWN:]:
            first, *others = logs[word, cause]
            print(f"{word} {name_of(first)}{f' and {len(others)} more' if others else ''}: {cause}", file=sys.stderr)
            print(f"       see {first}", file=sys.stderr)
        if "failed" in map(self.word, self.ended.values()):
            return 1
        print("stopped: run me again to resume", file=sys.stderr)
        return AGAIN


def name_of(log: str) -> str:
    """The name of a job, from the path of its log.

    >>> name_of("logs/laptop/train/math/near/erf/seed0.log")
    'train/math/near/erf/seed0'
    """
    return log.split("/", 2)[2].removesuffix(".log")


def cause_of(log: str, code: int) -> str:
    last = last_line(Path(log))
    if code - 128 in set(signal.Signals):
        return f"killed by {signal.Signals(code - 128).name}{f'; last line of its log: {last}' if last else ''}"
    return last or f"exit code {code}; its log is empty"


def last_line(path: Path) -> str:
    """The last line of a file that is not blank; empty if there is none."""
    lines = text_of(path).strip().splitlines()
    return lines[-1] if lines else ""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
