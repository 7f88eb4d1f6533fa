"""A pool of worker processes that judge answers. Any thread may call it; it uses no signals and no shared memory."""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

from smoothgates.tasks.math.verifier import worker
from smoothgates.tasks.math.verifier.limits import REPLY_SECONDS
from smoothgates.tasks.task import Reason

Comparison = tuple[Sequence[str], str]
"""Accepted golds and the answer."""

START_SECONDS = 120
"""Longest start of a worker. Importing takes a tenth of a second, but a cluster's file system may be slow."""


class Worker:
    """One process that answers one request at a time, in JSON lines."""

    def __init__(self, published: bool) -> None:
        package_root = Path(__file__).parents[4]
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from {worker.__name__} import main; main({published})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C must not reach it, and a kill must reach its child
            # The trainer's environment must not change a verdict.
            env=kept | {"PYTHONPATH": str(package_root), "PYTHONHASHSEED": "0"},
        )
        self._ids = count()
        self._unread = b""
        self._ready = False

    def ask(self, comparison: Comparison) -> Reason:
        """Return the verdict. Raises ConnectionError if the process has died or does not answer in time.

        Raises RuntimeError if it does not start: then no answer can be judged, and none may count as wrong.
        """
        if not self._ready:
            self._wait_until_ready()
        golds, answer = comparison
        request = {"id": next(self._ids), "golds": golds, "answer": answer}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + REPLY_SECONDS
        while True:
            reply = json.loads(self._line(deadline))
            if reply["id"] in (request["id"], None):
                return reply["reason"]

    def _wait_until_ready(self) -> None:
        try:
            self._ready = self._line(time.monotonic() + START_SECONDS) == b"ready"
        except ConnectionError:
            self._ready = False
        if not self._ready:
            raise RuntimeError("the math verifier's worker does not start; its error is on stderr")

    def _line(self, deadline: float) -> bytes:
        poll = select.poll()  # select.select fails above 1024 open files
        poll.register(self.process.stdout, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise ConnectionError("no answer in time")
            if not (chunk := os.read(self.process.stdout.fileno(), 1 << 16)):
                raise ConnectionError("the worker has died")
            self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def close(self, kill: bool = False) -> None:
        """End the process by closing its stdin; `kill` kills it first."""
        if kill:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Pool:
    """A few workers, one for each thread of the pool. A worker starts with its first request."""

    def __init__(self, size: int, published: bool = False) -> None:
        """`published` selects math-verify's verdicts."""
        self.size, self.published = size, published
        self._begin()
        atexit.register(self.close)
        # A forked process must not share the pipes of its parent: it gets a new pool.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.workers: dict[int, Worker] = {}
        """Workers by the thread that uses them."""
        self._threads = ThreadPoolExecutor(self.size, thread_name_prefix="math-verifier")

    def judge(self, comparisons: Sequence[Comparison]) -> list[Reason]:
        """Return a verdict for each comparison, in order. A worker that dies is replaced; its verdict is `timeout`."""
        return list(self._threads.map(self._judge, comparisons))

    def _judge(self, comparison: Comparison) -> Reason:
        thread = threading.get_ident()
        if thread not in self.workers:
            self.workers[thread] = Worker(self.published)
        try:
            return self.workers[thread].ask(comparison)
        except (ConnectionError, ValueError):
            self.workers.pop(thread).close(kill=True)
            return "timeout"
        except RuntimeError:
            self.workers.pop(thread).close(kill=True)
            raise

    def close(self) -> None:
        """End the workers. The next request starts new ones."""
        self._threads.shutdown(cancel_futures=True)
        for running in self.workers.values():
            running.close()
        self.workers, self._threads = {}, ThreadPoolExecutor(self.size, thread_name_prefix="math-verifier")
