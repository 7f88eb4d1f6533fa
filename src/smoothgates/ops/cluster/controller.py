"""Run a study: start Snakemake with safe options, watch it, restart it if it is stuck, and leave no jobs behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from smoothgates.errors import TryAgain
from smoothgates.io.paths import Paths
from smoothgates.jobs.snakemake.causes import text_of
from smoothgates.jobs.snakemake.exclusive import release
from smoothgates.ops.cluster import slurm
from smoothgates.ops.cluster.attempt import TICK, Attempt, Outcome, cause_of, say
from smoothgates.ops.cluster.output import Progress
from smoothgates.ops.cluster.survivors import settle
from smoothgates.ops.cluster.table import Names
from smoothgates.ops.cluster.watch import Watch, latency_wait
from smoothgates.ops.controller_lock import ControllerLock
from smoothgates.study.loader import LoadedStudy
from smoothgates.study.ownership import own_study

PROFILE = Path("workflow/profiles/slurm")
RESTARTS = 3
"""Most restarts of Snakemake in a row without any job that finished."""
DRY = {"-n", "--dry-run", "--dryrun"}


def run(
    study_name: str,
    profiles: Sequence[Path] = (),
    jobs: int | None = None,
    poll: int = 40,
    wait: bool = False,
    arguments: Sequence[str] = (),
) -> int:
    """Run a study on the cluster. Returns the exit code. Raises BadInput and TryAgain.

    `profiles` are read after our own, so that a site's profile overrides it. `arguments` are passed to Snakemake.
    """
    study = own_study(study_name)
    slurm.require()
    command, poll = slurm.status_command(poll, slurm.min_job_age(), slurm.accounting_works())
    options = [
        *("--config", f"study={study_name}"),
        *(word for path in dict.fromkeys([PROFILE, *profiles]) for word in ("--profile", str(path))),
        *(("--jobs", str(jobs)) if jobs else ()),
        *("--slurm-jobname-prefix", slurm.prefix_of(study.name)),
        *("--slurm-status-command", command),
        *("--slurm-init-seconds-before-status-checks", str(poll)),
        *arguments,
    ]
    if DRY & {*arguments}:
        return subprocess.call([sys.executable, "-m", "snakemake", *options])
    return Controller(study, options, poll, latency_wait([PROFILE, *profiles])).run(wait)


class Controller:
    """One call of `cluster run`."""

    def __init__(self, study: LoadedStudy, options: list[str], poll: int, latency: int):
        self.study, self.options, self.poll, self.latency = study, options, poll, latency
        self.paths = Paths(study.name)
        self.names = Names(study)
        self.stopped_by: signal.Signals | None = None
        self.lock = ControllerLock(study.name)

    def run(self, wait: bool) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        self._await_queue(wait)
        if self.lock.left_behind:
            self._clear(Progress.of(text_of(Path(self.lock.left_behind["log"]))))
        fruitless = 0
        while True:
            logs = Path(self.paths.logs) / "cluster"
            attempt = Attempt(self.options, Watch(self.poll, self.latency), self.names, self.lock, logs)
            try:
                outcome = attempt.run(lambda: self.stopped_by)
            finally:
                nothing_left = attempt.clean_up()
            if not nothing_left:
                # The lock file keeps what the next call must know.
                raise TryAgain(
                    f"SLURM does not answer; to cancel jobs that may be left: scancel --name {attempt.progress.run}"
                )
            if not attempt.progress.locked:
                self._clear(attempt.progress)
            fruitless = 0 if attempt.progress.done else fruitless + 1
            if outcome != "again" or self.stopped_by:
                break
            if fruitless > RESTARTS:
                say(f"giving up  no job finished in {fruitless} runs of Snakemake")
                break
            self._pause(self.poll * fruitless)
        self.lock.release()
        return self._conclude(outcome, attempt)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stopped_by:
            time.sleep(TICK)

    def _stop(self, number: int, _) -> None:
        self.stopped_by = self.stopped_by or signal.Signals(number)

    def _await_queue(self, wait: bool) -> None:
        """Wait until no job of an earlier run is left, so that none runs twice; without `wait`, raise TryAgain."""
        reported = False
        while listed := self._in_queue(wait):
            text = f"jobs of an earlier run of {self.study.name} are still in the queue: {listed}"
            if self.stopped_by or not wait:
                raise TryAgain(f"{text}; --wait waits for them, `cluster cancel --study {self.study.name}` ends them")
            if not reported:
                say(f"waiting    {text}")
                reported = True
            self._pause(min(self.poll, 10))

    def _in_queue(self, patient: bool) -> str:
        """The study's jobs in the queue. If SLURM does not answer: its error if `patient`, else TryAgain."""
        try:
            live = slurm.live_jobs(slurm.prefix_of(self.study.name), Path.cwd())
        except TryAgain as error:
            if patient:
                return str(error)
            raise
        listed = [f"{entry.id} {self.names.of_comment(entry.comment)} {entry.state}" for entry in live]
        return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")

    def _clear(self, progress: Progress) -> None:
        """Clean up after a Snakemake: release its lock, and settle jobs that finished without its knowledge."""
        release(self.study.name)
        kept, removed = settle(self.study, progress.waiting())
        for job in kept:
            say(f"kept       {job.rule} {job.name}: it finished after Snakemake had ended")
        for job in removed:
            say(f"removed    {job.rule} {job.name}: it finished after Snakemake had ended, and is stale")

    def _conclude(self, outcome: Outcome, attempt: Attempt) -> int:
        progress, log = attempt.progress, attempt.log
        if self.stopped_by:
            say(f"stopped by {self.stopped_by.name}: no job is left; run the same command again to resume")
            return 75
        if outcome == "done":
            page = Path(self.paths.page)
            say(f"finished   {self.study.name}{f': {page}' if page.exists() else ''}")
            return 0
        if progress.locked:
            raise TryAgain(progress.locked)
        for step in progress.failed():
            say(f"failed     {self.names.of_step(step)}{cause_of(step)}")
        if not progress.failed():
            print(*text_of(log).splitlines()[-15:], sep="\n", file=sys.stderr)
        say(f"failed     {self.study.name}: the full output of Snakemake: {log}")
        return 1 if progress.planned else 2
