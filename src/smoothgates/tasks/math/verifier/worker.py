"""A process that judges whether answers equal golds. `pool.py` starts it.

It reads and writes JSON lines, one request at a time: {"id", "golds", "answer"} → {"id", "reason"}. It ends when stdin
is closed.

There are two processes: a template that has done the imports, and its fork, which judges. The kernel limits the judge's
CPU time, wall time and, on Linux, memory; on macOS the template checks its memory. If the judge dies, the template
answers `timeout` and forks another judge within milliseconds.
"""

import gc
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from smoothgates.io.system import peak_bytes
from smoothgates.tasks.math.verifier.limits import CPU_SECONDS, LOOK_SECONDS, MEMORY_BYTES, RECYCLE_BYTES, WALL_SECONDS
from smoothgates.tasks.task import Reason

KERNEL_BOUNDS_MEMORY = sys.platform == "linux"
RECYCLE = 3
"""Exit status of a judge that asks to be replaced because it uses much memory."""


WARM_UP = (
    (r"\frac{1}{2}", "0.5", "correct"),
    (r"x^2+2x+1", "(x+1)^2", "correct"),
    (r"\left(\sqrt{2}, -\frac{\sqrt{3}}{3}\right)", r"(2^{1/2}, -\frac{1}{\sqrt[3]{3}})", "wrong"),
    (r"(-\infty, 3) \cup [4, \infty)", r"x < 3 \text{ or } x \ge 4", "correct"),
    (r"12\text{ cm}", "12%", "wrong"),
    ("42", r"e^{|\infty|}", "wrong"),
)
"""Cases to judge before the fork, to check that judging works."""


Decide = Callable[[list[str], str], Reason]


class OutOfTime(BaseException):
    """The CPU time is used up. Not an Exception, so that no handler catches it."""


def judge(golds: list[str], answer: str) -> Reason:
    """Return the verdict. The import is here because the trainer loads this module and does not need Arb."""
    from smoothgates.tasks.math.verifier import verdicts

    return verdicts.judge(golds, answer)


def published_judge(golds: list[str], answer: str) -> Reason:
    """Return the verdict of math-verify."""
    from smoothgates.tasks.math.verifier import published

    return published.judge(golds, answer)


def timed(decide: Decide, golds: list[str], answer: str) -> Reason:
    """Return the verdict, or `timeout` after a second of CPU time.

    The wall-clock alarm has no handler: it ends this process even inside one long multiplication, where Python cannot
    run a handler.
    """
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        try:
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            return decide(golds, answer)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except (OutOfTime, MemoryError):
        return "timeout"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def serve(replies: int, decide: Decide) -> int:
    """Judge requests until stdin is closed or memory runs short; return the exit status."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, _out_of_time)
    while line := _read_line():
        request = json.loads(line)
        reason = timed(decide, request["golds"], request["answer"])
        os.write(replies, json.dumps({"id": request["id"], "reason": reason}).encode() + b"\n")
        if peak_bytes() > RECYCLE_BYTES:
            return RECYCLE
    return 0


def _out_of_time(signum, frame):
    raise OutOfTime


def _read_line() -> bytes:
    """Read a line without a buffer, so that the next judge finds the unread rest. Empty at the end of stdin."""
    line = b""
    while not line.endswith(b"\n") and (chunk := os.read(0, 1 << 16)):
        line += chunk
    return line


def ended(judge: int) -> int:
    """Wait for a judge to end; return its status. Kill it if it uses too much memory and the kernel sets no limit."""
    if KERNEL_BOUNDS_MEMORY:
        return os.waitpid(judge, 0)[1]
    import psutil

    process = psutil.Process(judge)
    while not (found := os.waitpid(judge, os.WNOHANG))[0]:
        with suppress(psutil.Error):  # it has just ended
            if process.memory_info().rss > MEMORY_BYTES:
                process.kill()
        time.sleep(LOOK_SECONDS)
    return found[1]


def main(published: bool = False) -> None:
    """Run the template: check that judging works, write `ready`, then keep one judge alive until stdin is closed."""
    decide = published_judge if published else judge
    # A cluster sends SIGTERM to all processes of a job. The trainer needs verdicts until it has stopped and saved.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if KERNEL_BOUNDS_MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence = os.open(os.devnull, os.O_WRONLY)  # first, or stdout's copy could become a closed stderr's descriptor
    replies = os.dup(1)
    for gold, answer, expected in WARM_UP[:2] if published else WARM_UP:
        if decide([gold], answer) != expected:
            raise RuntimeError(f"the verifier does not judge '{answer}' against '{gold}' as {expected}")
    os.write(replies, b"ready\n")
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    gc.freeze()
    while True:
        child = os.fork()
        if child == 0:
            os._exit(serve(replies, decide))
        code = os.waitstatus_to_exitcode(ended(child))
        if code == 0:
            return
        if code != RECYCLE:
            os.write(replies, b'{"id": null, "reason": "timeout"}\n')
