"""Why jobs failed or stopped, from the last lines of their logs: what the terminal ends with."""

import logging
import re
import signal
import sys
from collections import defaultdict
from pathlib import Path

LOG = re.compile(r">> '?(logs/[^\s']+)'? 2>&1")
STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>")
STOPPING = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
"""How Snakemake answers SIGINT and SIGTERM."""
AGAIN = 75
SHOWN = 5
"""Causes that are shown; many jobs may share one."""


class Causes(logging.Filter):
    """In Snakemake's messages, puts the cause in the place of a failed job's whole command, and remembers it."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, int] = {}
        """Exit code of each job that did not finish, by its log; of one killed by a signal, as a shell says it."""
        self.stopping = False

    def filter(self, record: logging.LogRecord) -> bool:
        said = str(record.msg)
        self.stopping |= said.startswith(STOPPING)
        status, logs = STATUS.search(said), LOG.findall(said)
        if status and logs:
            log, code = logs[-1], int(status[1] or 128 + int(status[2]))
            self.ended[log] = code
            record.msg = f"{self.word(code)} {name_of(log)}: {cause_of(log, code)}"
        return True

    def word(self, code: int) -> str:
        """A job that Ctrl-C or SIGTERM ended has not failed."""
        asked = self.stopping and code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
        return "stopped" if asked or code == AGAIN else "failed"

    def tell(self) -> int:
        """Print the causes, failures last, and return the exit code: 1, or 75 where all that is missing is time."""
        logs = defaultdict(list)
        for log, code in self.ended.items():
            if self.word(code) == "failed" or code == AGAIN:
                logs[self.word(code), cause_of(log, code)].append(log)
        told = sorted(logs, reverse=True)
        if len(told) > SHOWN:
            print(f"{len(told)} causes, the last {SHOWN} of them:", file=sys.stderr)
        for word, cause in told[-SHOWN:]:
            first, *others = logs[word, cause]
            print(f"{word} {name_of(first)}{f' and {len(others)} more' if others else ''}: {cause}", file=sys.stderr)
            print(f"       see {first}", file=sys.stderr)
        if "failed" in map(self.word, self.ended.values()):
            return 1
        print("stopped: run me again to go on", file=sys.stderr)
        return AGAIN


def name_of(log: str) -> str:
    """What a job is called, by its log.

    >>> name_of("logs/laptop/train/math/near/erf/seed0.log")
    'train/math/near/erf/seed0'
    """
    return log.split("/", 2)[2].removesuffix(".log")


def cause_of(log: str, code: int) -> str:
    last = last_line(Path(log))
    if code - 128 in set(signal.Signals):
        return f"killed by {signal.Signals(code - 128).name}{f'; its last words: {last}' if last else ''}"
    return last or f"exit code {code}, and nothing in its log"


def last_line(path: Path) -> str:
    """The last line of a file that says something; empty where there is none."""
    lines = text_of(path).strip().splitlines()
    return lines[-1] if lines else ""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
