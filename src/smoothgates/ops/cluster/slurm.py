"""Ask SLURM about our jobs, and cancel them."""

import getpass
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from smoothgates.errors import BadInput, TryAgain

ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)
"""Final states of a job. PREEMPTED is one: squeue shows a requeued job as PENDING."""

LONGEST_WAIT = 180
"""Most seconds between two checks of the queue by the executor."""

FORMAT = "%i|%j|%T|%N|%M|%r|%k|%Z"
RUN_NAME = re.compile(r"(?P<study>.+)_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Entry:
    """One job in the queue, or one that left it less than MinJobAge ago."""

    id: str
    name: str
    """The name of the Snakemake run that submitted it: STUDY_UUID."""
    state: str
    node: str
    elapsed: str
    reason: str
    comment: str
    """Its rule and wildcards."""
    folder: str

    @property
    def live(self) -> bool:
        """Whether it runs or will run."""
        return not ended(self.state)


def ended(state: str) -> bool:
    """Whether a state, as squeue or sacct prints it, is final.

    >>> ended("CANCELLED by 0"), ended("COMPLETING")
    (True, False)
    """
    return bool(state) and state.split()[0] in ENDED


def require() -> None:
    """Raise BadInput if SLURM or Snakemake's plugin for it is missing."""
    for name in ("sbatch", "srun", "squeue", "scancel", "scontrol"):
        if not shutil.which(name):
            raise BadInput(f"{name}: not found: run this command on the login node of a SLURM cluster")
    if not find_spec("snakemake_executor_plugin_slurm"):
        raise BadInput("snakemake-executor-plugin-slurm: not installed: `make slurm`, or the environment `control`")


def ask(*words: str, seconds: float = 60) -> str:
    """The output of a SLURM command. Raises TryAgain if it fails or does not answer."""
    try:
        done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", timeout=seconds)
    except OSError as error:
        raise TryAgain(f"{words[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise TryAgain(f"{words[0]} did not answer within {seconds:.0f} s") from None
    if done.returncode != 0:
        cause = done.stderr.strip().splitlines()
        raise TryAgain(f"{words[0]}: {cause[-1] if cause else f'exit code {done.returncode}'}")
    return done.stdout


def queue(*options: str) -> list[Entry]:
    """The user's jobs. Raises TryAgain if SLURM does not answer, so that this is never taken for an empty queue."""
    return parse_queue(ask("squeue", "--noheader", "--user", getpass.getuser(), f"--format={FORMAT}", *options))


def parse_queue(text: str) -> list[Entry]:
    """The jobs in the output of squeue."""
    return [Entry(*line.strip().split("|", 7)) for line in text.splitlines() if line.count("|") >= 7]


def jobs_of_run(name: str) -> dict[str, Entry]:
    """The jobs of one Snakemake run that SLURM still knows, by id."""
    return {entry.id: entry for entry in queue("--states=all", "--name", name)}


def live_jobs(prefix: str, folder: Path) -> list[Entry]:
    """Jobs of a study in this working directory that run or will run, of all Snakemake runs."""
    here = folder.resolve()
    return [
        entry
        for entry in queue()
        if entry.live
        and (match := RUN_NAME.fullmatch(entry.name))
        and match["study"] == prefix
        and Path(entry.folder).resolve() == here
    ]


def cancel(ids: list[str]) -> None:
    """Cancel jobs. Raises TryAgain."""
    for start in range(0, len(ids), 200):  # a command line has a maximum length
        ask("scancel", *ids[start : start + 200])


def cancel_run(name: str, seconds: float = 120) -> bool:
    """Cancel the jobs of a Snakemake run. Returns whether none is left; retries for `seconds` if SLURM fails."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            live = [entry.id for entry in jobs_of_run(name).values() if entry.live]
            if not live:
                return True
            ask("scancel", "--name", name, "--user", getpass.getuser())
        except TryAgain:
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(1)


def prefix_of(study: str) -> str:
    """The prefix of the names of a study's runs, as squeue shows it.

    >>> prefix_of("smooth gates.v2")
    'smooth-gates-v2'
    """
    return re.sub(r"[^A-Za-z0-9_-]", "-", study)[:50]


def min_job_age() -> int:
    """Seconds for which squeue shows a job after its end. Raises TryAgain."""
    return parse_min_job_age(ask("scontrol", "show", "config"))


def parse_min_job_age(text: str) -> int:
    """MinJobAge, in seconds, in the output of `scontrol show config`.

    >>> parse_min_job_age("MinJobAge               = 300 sec")
    300
    """
    found = re.search(r"^MinJobAge\s*=\s*(\d+)\s*(h?)", text, re.MULTILINE)
    return int(found[1]) * (3600 if found[2] else 1) if found else 0


def accounting_works() -> bool:
    """Whether sacct works. On clusters without accounting it is installed, but fails."""
    try:
        ask("sacct", "--noheader", "--allocations", "--name", "none")
    except TryAgain:
        return False
    return True


def status_command(poll: int, age: int, accounting: bool) -> tuple[str, int]:
    """The command that Snakemake should ask for states, and the seconds before its first check.

    squeue is more reliable if it shows ended jobs for longer than the longest pause between two checks. If neither
    squeue nor sacct works, the executor must not choose sacct, as it does when MinJobAge < 3 x poll.

    >>> status_command(40, 300, True), status_command(40, 60, True), status_command(40, 60, False)
    (('squeue', 40), ('sacct', 40), ('squeue', 20))
    """
    if age >= max(3 * poll, LONGEST_WAIT + 20):
        return "squeue", poll
    return ("sacct", poll) if accounting else ("squeue", max(1, min(poll, age // 3)))
