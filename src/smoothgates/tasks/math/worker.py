"""A process that judges whether answers equal references, by math-verify. `pool.py` starts it.

JSON lines on stdin and stdout, one request at a time: {"id", "golds", "answer"} → {"id", "reason"}. It ends with stdin.

Two processes, for quick replacement: a template that has done the imports, and its fork that judges. The judge is bound
by the kernel, not by anyone's attention: CPU time, wall time and, on Linux, memory; macOS bounds none, so there the
template looks at the judge's. When it dies, the template answers `timeout` in its place and forks another, which takes
milliseconds. math-verify's own timeouts are off: they are in wall time, so
that a loaded machine turns right into wrong, and they make `verify` return False without a word.
"""

import gc
import json
import logging
import math
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from functools import lru_cache

from smoothgates.system import peak_bytes
from smoothgates.tasks.math.limits import CPU_SECONDS, FAT_BYTES, LOOK_SECONDS, MEMORY_BYTES, WALL_SECONDS
from smoothgates.tasks.math.notation import bare_number, same_text, standard, value_named
from smoothgates.tasks.task import Reason

KERNEL_BOUNDS_MEMORY = sys.platform == "linux"
RECYCLE = 3
"""Exit status of a judge that has grown fat (sympy and the LaTeX parser cache what they see) and wants a successor."""


WARM_UP = (
    (r"\frac{1}{2}", "0.5", "correct"),
    (r"x^2+2x+1", "(x+1)^2", "correct"),
    (r"y = \frac{v^2_0}{5\pi g}", r"y = \frac{v_0^2}{\pi g 5}", "correct"),
    (r"\left(\sqrt{2}, -\frac{\sqrt{3}}{3}\right)", r"(2^{1/2}, -\frac{1}{\sqrt[3]{3}})", "wrong"),
    (r"(-\infty, 3) \cup [4, \infty)", r"x < 3 \text{ or } x \ge 4", "wrong"),
    (r"\{1, 2, a_n\}", r"1, a_{n}, 2", "correct"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{bmatrix} 1 \\ 3 \end{bmatrix}", "wrong"),
    (r"\sin 30^\circ + \log_2 n!", r"\frac{1}{2} + \ln |x|", "wrong"),
    (r"12\text{ cm}", "12%", "correct"),
)
"""Judged before the fork: what they make sympy import and the LaTeX parser learn, every judge then has."""


class OutOfTime(BaseException):
    """Not an Exception, so that no handler inside sympy swallows it."""


@lru_cache(maxsize=4096)
def parse(text: str) -> list:
    """What math-verify reads in a gold or an answer: sympy objects, then the text that it could or could not parse."""
    from math_verify import ExprExtractionConfig
    from math_verify import parse as extract

    text = standard(text)
    delimited = any(mark in text for mark in ("$", r"\(", r"\[", r"\boxed"))
    found = extract(text if delimited else f"${text}$", parsing_timeout=None)
    if bare_number(text):
        # `1 000`, `1,22` and `28 pct` are numbers in prose, but products and lists in LaTeX.
        found = extract(text, [ExprExtractionConfig()], parsing_timeout=None) + found
    return found


def precision(gold: list) -> dict[str, int]:
    """Decimals to compare by: math-verify's 6 (15 for differences), or enough for four digits of a gold that is small.

    By default 2.88e-19 equals 0.0, and 5e-18 too.
    """
    sizes = [abs(float(number)) for number in map(_number, gold) if number is not None and 0 < abs(number) < 1]
    zeros = max((-math.floor(math.log10(size)) for size in sizes if size > 0), default=0)
    return {"float_rounding": max(6, zeros + 3), "numeric_precision": max(15, zeros + 6)}


def _number(parsed) -> float | None:
    """A parsed gold's value where it is one real number."""
    try:
        return float(parsed.evalf()) if not parsed.free_symbols else None
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None


def judge(golds: list[str], answer: str) -> Reason:
    """Whether the answer equals any of the golds. A gold that math-verify cannot parse is compared as text."""
    from math_verify import verify

    if any(same_text(gold, answer) for gold in golds):
        return "correct"
    predicted = [found for found in parse(answer) if not isinstance(found, str)]
    if not predicted:
        return "unparsable"
    # math-verify takes x = 3 for 3 too, but reads some names, such as I_{max}, as numbers.
    values = [value for gold in golds if (value := value_named(gold)) and "=" not in answer]
    for gold in [*golds, *values]:
        parsed = [found for found in parse(gold) if not isinstance(found, str)]
        if parsed and verify(parsed, predicted, **precision(parsed), timeout_seconds=None):
            return "correct"
    return "wrong"


def timed_judge(golds: list[str], answer: str) -> Reason:
    """The same within a second of CPU time.

    The wall clock's alarm has no handler: it ends this process even deep in one long multiplication, where no Python
    runs that could handle it.
    """
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        try:
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            return judge(golds, answer)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except (OutOfTime, MemoryError):
        return "timeout"
    except Exception:
        # sympy raises anything on odd input, RecursionError above all: it could not be read.
        return "unparsable"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def serve(replies: int) -> int:
    """Judge request after request; the exit status says why it stopped."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, _out_of_time)
    while line := _read_line():
        request = json.loads(line)
        reason = timed_judge(request["golds"], request["answer"])
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


def main() -> None:
    """The template: import, prove that judging works, say so, then keep one judge alive until stdin ends."""
    # A cluster sends it to every process of a job. The trainer stops and saves; until then verdicts must be right.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if KERNEL_BOUNDS_MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()  # math-verify warns that its timeouts are off
    silence = os.open(os.devnull, os.O_WRONLY)  # first, lest stdout's copy take the place of a closed stderr
    replies = os.dup(1)
    for gold, answer, expected in WARM_UP:
        if judge([gold], answer) != expected:
            raise RuntimeError(f"math-verify no longer judges '{answer}' against '{gold}' as {expected}")
    os.write(replies, b"ready\n")
    # The LaTeX parser prints what it dislikes.
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    gc.freeze()
    while True:
        child = os.fork()
        if child == 0:
            os._exit(serve(replies))
        code = os.waitstatus_to_exitcode(ended(child))
        if code == 0:
            return
        if code != RECYCLE:
            os.write(replies, b'{"id": null, "reason": "timeout"}\n')
