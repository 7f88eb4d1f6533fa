"""Run a study in Snakemake: no other Snakemake may run it, and the causes of failures are printed last."""

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from snakemake.exceptions import MissingInputException, WorkflowError
from snakemake.logging import logger

from smoothgates.errors import BadInput
from smoothgates.io.paths import Paths
from smoothgates.jobs.snakemake.bar import Seconds, show_bar
from smoothgates.jobs.snakemake.causes import Causes
from smoothgates.jobs.snakemake.exclusive import alone
from smoothgates.prefork.owner import serving
from smoothgates.provenance.code_closure import SOURCE

Execute = Callable[..., None]

FAILED = "At least one job did not complete successfully"
"""Snakemake's last message, whatever the cause."""


THREADS = [f"{name}_NUM_THREADS" for name in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")] + ["VECLIB_MAXIMUM_THREADS"]
"""Environment variables that Snakemake sets to the number of threads of a job."""


def watched(workflow, study: str, device: str = "cpu", seconds: Seconds = lambda rule, wildcards: 1.0) -> Execute:
    """A replacement for the method `execute` of a Snakemake workflow.

    Only one process at a time may run the study. If jobs fail or stop, their causes are printed last. A dry run takes
    no lock and prints what Snakemake prints. Jobs on this machine's CPUs are forks of one process. On a terminal a bar
    shows how much is done, by the expected `seconds` of jobs.
    """
    execute, causes = workflow.execute, Causes()

    def run(*args, **how) -> None:
        dry = workflow.output_settings.dryrun or not workflow.execution_settings.lock
        try:
            check_writable(study, dry)
            if dry:
                return execute(*args, **how)
            here = how["executor_plugin"].name == "local" and not workflow.deployment_settings.deployment_method
            with alone(study), serving(job_environment()) if here and device == "cpu" else nullcontext():
                logger.addFilter(causes)
                show_bar(workflow, seconds)
                return execute(*args, **how)
        except MissingInputException as error:
            refuse(missing(str(error)))
        except BadInput as error:
            refuse(str(error))
        except KeyboardInterrupt:
            causes.stopping = True
        except WorkflowError as error:
            if FAILED not in str(error) or not (causes.ended or causes.stopping):
                raise
        sys.exit(causes.print_causes())

    return run


def job_environment() -> dict[str, str]:
    """The environment of the jobs with one thread that this process starts."""
    return {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": str(SOURCE)}


def check_writable(study: str, dry: bool = False) -> None:
    """Raise BadInput if a folder that jobs write to is not writable. A dry run writes to Snakemake's folder only."""
    paths = Paths(study)
    jobs = () if dry else (paths.results, paths.logs, paths.reports, "work")
    for path in map(Path, (".snakemake", *jobs)):
        there = next(each for each in (path, *path.parents) if each.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise BadInput(f"{there}: expected a writable folder, for {path}")


def missing(text: str) -> str:
    """One line about the files that `make report` needs from an unfinished study, instead of one line for each."""
    files = [line.strip() for line in text.partition("affected files:")[2].splitlines() if line.strip()]
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0] if files else text}{more}: missing, and no allowed rule makes it: run `make study` first"


def refuse(text: str) -> None:
    """Print an error and exit with code 2."""
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)
