"""Parse the output of Snakemake while it runs."""

import re
from dataclasses import dataclass, field

from smoothgates.jobs.snakemake.exclusive import AT_WORK

BLOCK = re.compile(r"(?P<kind>(?:local)?rule|Error in rule) (?P<rule>\w+):$")
FIELD = re.compile(r"    (\w+): (.*)$")
RUN = re.compile(r"SLURM run ID: (\S+)")
SUBMITTED = re.compile(r"Job (\d+) has been submitted with SLURM jobid (\d+) \(log: (.*)\)\.$")
FINISHED = re.compile(r"Finished jobid: (\d+)")
RESTART = re.compile(r"Trying to restart job (\d+)\.")
PROGRESS = re.compile(r"(\d+) of (\d+) steps")
PLANNED = "Job stats:"
NOTHING = "Nothing to be done"

REFUSED = "SLURM sbatch failed"
PASSING = re.compile(
    r"timed? ?out|unable to contact|connect|temporarily|try again|not responding|limit|too many", re.IGNORECASE
)
"""Matches errors of sbatch after which it may accept the same job later."""
MISSPELT = "None assigned"
"""The executor excludes this as a node after it has lost one, so that every later sbatch fails until a restart."""


@dataclass
class Step:
    """One job of the DAG, as of its last attempt. `number` is Snakemake's."""

    number: str
    rule: str = ""
    output: str = ""
    """Its first output."""
    log: str = ""
    state: str = "ready"
    """ready, submitted, finished or failed."""
    slurm: str | None = None
    """Its id in SLURM. None before it is submitted, and for jobs that run locally."""
    slurm_log: str = ""
    error: str = ""

    @property
    def refused_for_now(self) -> bool:
        """Whether sbatch refused it for a temporary reason."""
        reason, _, call = self.error.partition("sbatch call:")
        return REFUSED in reason and bool(PASSING.search(reason) or MISSPELT in call)


@dataclass
class Progress:
    """The state of the jobs as Snakemake sees it, according to its output so far."""

    run: str | None = None
    """The name of the run and of all its jobs in SLURM."""
    steps: dict[str, Step] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    planned: bool = False
    """Whether Snakemake has built its DAG."""
    locked: str = ""
    """The message if another Snakemake is running the study."""
    _block: dict[str, str] | None = None

    @classmethod
    def of(cls, text: str) -> "Progress":
        progress = cls()
        for line in text.splitlines():
            progress.feed(line)
        return progress

    def feed(self, line: str) -> Step | None:
        """Parse a line. Returns the step that it reports as submitted, finished or failed, if any."""
        if found := BLOCK.match(line):
            self._block = {**found.groupdict(), "message": ""}
        elif self._block is not None:
            return self._inside(line)
        elif found := SUBMITTED.match(line):
            return self._set(found[1], state="submitted", slurm=found[2], slurm_log=found[3])
        elif found := FINISHED.match(line):
            return self._set(found[1], state="finished")
        elif found := RESTART.match(line):
            self._set(found[1], state="ready")
        elif found := PROGRESS.match(line):
            self.done, self.total = int(found[1]), int(found[2])
        elif found := RUN.match(line):
            self.run = found[1]
        self.planned |= line.startswith((PLANNED, NOTHING))
        if AT_WORK in line:
            self.locked = line.removeprefix("error: ")
        return None

    def _inside(self, line: str) -> Step | None:
        """Parse a line of the block about a job or its error. In both, the job's number is the last field used."""
        block = self._block
        found = FIELD.match(line)
        if not found or found[1] == "message":
            block["message"] += f"{found[2] if found else line}\n"
        else:
            block[found[1]] = found[2]
        if "jobid" not in block:
            return None
        self._block = None
        if block["kind"] == "Error in rule":
            return self._set(block["jobid"], rule=block["rule"], state="failed", error=block["message"])
        first = {key: block.get(key, "").split(", ")[0] for key in ("output", "log")}
        self._set(block["jobid"], rule=block["rule"], state="ready", slurm=None, **first)
        return None

    def _set(self, number: str, **facts) -> Step:
        step = self.steps.setdefault(number, Step(number))
        for name, value in facts.items():
            setattr(step, name, value)
        return step

    def waiting(self) -> list[Step]:
        """Steps that Snakemake believes to be in the queue."""
        return [step for step in self.steps.values() if step.state == "submitted"]

    def failed(self) -> list[Step]:
        """Steps that failed and were not restarted."""
        return [step for step in self.steps.values() if step.state == "failed"]
