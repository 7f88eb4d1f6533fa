"""A process that judges whether answers equal references. `pool.py` starts it.

JSON lines on stdin and stdout, one request at a time: {"id", "golds", "answer"} → {"id", "reason"}. It ends with stdin.

Two processes, for quick replacement: a template that has done the imports, and its fork that judges. The judge is bound
by the kernel, not by anyone's attention: CPU time, wall time and, on Linux, memory; macOS bounds none, so there the
template looks at the judge's. When it dies, the template answers `timeout` in its place and forks another, which takes
milliseconds.
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
from smoothgates.tasks.math.verifier.limits import CPU_SECONDS, FAT_BYTES, LOOK_SECONDS, MEMORY_BYTES, WALL_SECONDS
from smoothgates.tasks.task import Reason

KERNEL_BOUNDS_MEMORY = sys.platform == "linux"
RECYCLE = 3
"""Exit status of a judge that has grown fat and wants a successor."""


WARM_UP = (
    (r"\frac{1}{2}", "0.5", "correct"),
    (r"x^2+2x+1", "(x+1)^2", "correct"),
    (r"\left(\sqrt{2}, -\frac{\sqrt{3}}{3}\right)", r"(2^{1/2}, -\frac{1}{\sqrt[3]{3}})", "wrong"),
    (r"(-\infty, 3) \cup [4, \infty)", r"x < 3 \text{ or } x \ge 4", "correct"),
    (r"12\text{ cm}", "12%", "wrong"),
    ("42", r"e^{|\infty|}", "wrong"),
)
"""Judged before the fork, as proof that judging works."""


Decide = Callable[[list[str], str], Reason]


class OutOfTime(BaseException):
    """Not an Exception, so that no handler swallows it."""


def judge(golds: list[str], answer: str) -> Reason:
    """The verdict. Imported here, as only workers have use for Arb: the trainer and the controller load this module."""
    from smoothgates.tasks.math.verifier import verdicts

    return verdicts.judge(golds, answer)


def published_judge(golds: list[str], answer: str) -> Reason:
    """math-verify's."""
    from smoothgates.tasks.math.verifier import published

    return published.judge(golds, answer)


def timed(decide: Decide, golds: list[str], answer: str) -> Reason:
    """The verdict within a second of CPU time.

    The wall clock's alarm has no handler: it ends this process even deep in one long multiplication, where no Python
    runs that could handle it.
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
    """Judge request after request; the exit status says why it stopped."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, _out_of_time)
    while line := _read_line():
        request = json.loads(line)
        reason = timed(decide, request["golds"], request["answer"])
        os.write(replies, json.dumps({"id": request["id"], "reason": reason}).encode() + b"\n")
        if peak_bytes() > FAT_BYTES:
            return RECYCLE
    return 0


def _out_of_time(signum, frame):
    raise OutOfTime


def _read_line() -> bytes:
    """Unbuffered: what one judge leaves unread, its successor must find. Empty at the end of stdin."""
    line = b""
    while not line.endswith(b"\n") and (chunk := os.read(0, 1 << 16)):
        line += chunk
    return line


def ended(judge: int) -> int:
    """Wait status of a judge; where the kernel does not bound its memory, it is killed here when it has too much."""
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
    """The template: import, prove that judging works, say so, then keep one judge alive until stdin ends."""
    decide = published_judge if published else judge
    # A cluster sends it to every process of a job. The trainer stops and saves; until then verdicts must be right.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if KERNEL_BOUNDS_MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence = os.open(os.devnull, os.O_WRONLY)  # first, lest stdout's copy take the place of a closed stderr
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
