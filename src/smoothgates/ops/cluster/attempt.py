"""One run of Snakemake, and a summary of its output."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from smoothgates.errors import TryAgain
from smoothgates.jobs.snakemake.causes import last_line, text_of
from smoothgates.ops.cluster import slurm
from smoothgates.ops.cluster.output import Progress, Step
from smoothgates.ops.cluster.table import Names
from smoothgates.ops.cluster.watch import Watch
from smoothgates.ops.controller_lock import ControllerLock

Outcome = Literal["done", "failed", "stopped", "again"]
"""`again` if a new Snakemake may succeed."""
TICK = 1.0
"""Seconds between two checks."""


class Attempt:
    """One run of Snakemake."""

    def __init__(self, options: list[str], watch: Watch, names: Names, lock: ControllerLock, logs: Path):
        self.options, self.watch, self.names, self.lock = options, watch, names, lock
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{time.strftime('%Y-%m-%dT%H%M%S')}.log"
        """The output of Snakemake. It is a file, not a pipe, so that Snakemake survives the controller."""
        self.progress = Progress()
        self.ghosts: set[str] = set()
        self.silent = False
        self.unfinished = ""
        """The start of a line that is not complete yet."""

    def run(self, stopped: Callable[[], object]) -> Outcome:
        """Start Snakemake, and follow it until it ends, is `stopped` or is stuck."""
        environment = {
            **os.environ,
            # Rules call `python`, which must be this one, here and in the jobs, which inherit PATH.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        environment.pop("SNAKEMAKE_PROFILE", None)  # Snakemake inside the jobs would read it too
        with open(self.log, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "snakemake", *self.options],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(self.lock.descriptor,),
            )
        self.lock.say(snakemake=self.process.pid, log=str(self.log))
        look_again = 0.0
        with open(self.log, encoding="utf-8", errors="replace") as output:
            while True:
                code = self.process.poll()
                self._take(output.read())
                if code is not None:
                    return self._judge(code)
                if stopped():
                    return "stopped"
                if time.monotonic() >= look_again:
                    look_again = time.monotonic() + min(max(self.watch.poll, 2), 30)
                    if self._stuck():
                        return "again"
                self.lock.beat()
                time.sleep(TICK)

    def clean_up(self) -> bool:
        """End Snakemake, if it runs, and all of its jobs. Returns whether no job is left."""
        if self.process.poll() is None:
            # After the first SIGINT it submits nothing more. At the second it ends at once, during a pause too.
            for number, seconds in ((signal.SIGINT, 5), (signal.SIGINT, 5), (signal.SIGKILL, None)):
                self.process.send_signal(number)
                try:
                    self.process.wait(seconds)
                    break
                except subprocess.TimeoutExpired:
                    continue
        self.progress = Progress.of(text_of(self.log))  # including its last lines
        return not self.progress.run or slurm.cancel_run(self.progress.run)

    def _take(self, text: str) -> None:
        """Take in new output of Snakemake, and print a summary."""
        *lines, self.unfinished = (self.unfinished + text).split("\n")
        for step in filter(None, map(self.progress.feed, lines)):
            name = self.names.of_step(step)
            if step.state == "submitted":
                say(f"submitted  {name} as {step.slurm}")
            elif step.state == "finished":
                self.watch.finished()
                say(f"finished   {name}")
            else:
                say(f"failed     {name}{cause_of(step)}")

    def _stuck(self) -> bool:
        """Whether all jobs that Snakemake waits for have been dead for longer than it should take to notice."""
        waiting = self.progress.waiting()
        if not waiting:
            return False
        try:
            found = slurm.jobs_of_run(self.progress.run)
        except TryAgain as error:
            if not self.silent:
                say(f"waiting    SLURM does not answer ({error})")
            self.silent = True
            self.watch.dead_since.clear()
            return False
        if self.silent:
            say("waiting    SLURM answers again")
            self.silent = False
        ghosts = self.watch.look(waiting, found)
        for step in ghosts:
            if step.slurm not in self.ghosts:
                state = found[step.slurm].state if step.slurm in found else "gone"
                say(f"lost       {self.names.of_step(step)}: {state}, and Snakemake has not noticed")
        self.ghosts |= {step.slurm for step in ghosts}
        if len(ghosts) == len(waiting):
            say("restarting Snakemake, none of the jobs that it waits for is alive")
            return True
        return False

    def _judge(self, code: int) -> Outcome:
        if code == 0:
            return "done"
        failed = self.progress.failed()
        if failed and all(step.refused_for_now for step in failed):
            say("restarting Snakemake, sbatch refused a job, and may accept it now")
            return "again"
        return "failed"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def cause_of(step: Step) -> str:
    """Why a step failed, and which logs say more."""
    if state := re.search(r"SLURM status is: '(.*?)'", step.error):
        first = state[1]
    else:
        first = " ".join(re.split(r"For further error details|\n    sbatch call:", step.error)[0].split())
    last = last_line(Path(step.log)) if step.slurm and step.log else ""
    where = " and ".join(os.path.relpath(path) for path in (step.log, step.slurm_log) if path)
    return f": {first}{f', {last}' if last else ''}\n         see {where}"
