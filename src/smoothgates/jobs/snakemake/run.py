"""Around Snakemake's run of a study: alone, and the terminal ends with what matters."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from snakemake.exceptions import MissingInputException, WorkflowError
from snakemake.logging import logger

from smoothgates.errors import BadInput
from smoothgates.io.paths import Paths
from smoothgates.jobs.snakemake.causes import Causes
from smoothgates.jobs.snakemake.exclusive import alone

Execute = Callable[..., None]

FAILED = "At least one job did not complete successfully"
"""All that Snakemake says in the end, whatever went wrong."""


def watched(workflow, study: str) -> Execute:
    """The method `execute` of a Snakemake workflow, for one process at a time. Where jobs fail or are stopped, their
    causes are the last that the terminal shows. A dry run runs nothing, and is as it was.
    """
    execute, causes = workflow.execute, Causes()

    def run(*args, **how) -> None:
        dry = workflow.output_settings.dryrun or not workflow.execution_settings.lock
        try:
            check_writable(study, dry)
            if dry:
                return execute(*args, **how)
            with alone(study):
                logger.addFilter(causes)
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
        sys.exit(causes.tell())

    return run


def check_writable(study: str, dry: bool = False) -> None:
    """Raise BadInput if a folder that jobs write to cannot be written, before any of them starts. A `dry` run writes to
    Snakemake's own alone.
    """
    paths = Paths(study)
    jobs = () if dry else (paths.results, paths.logs, paths.reports, "work")
    for path in map(Path, (".snakemake", *jobs)):
        there = next(each for each in (path, *path.parents) if each.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise BadInput(f"{there}: expected a folder that can be written to, for {path}")


def missing(text: str) -> str:
    """What `make report` lacks while its study is unfinished, in one line instead of one for each file."""
    files = [line.strip() for line in text.partition("affected files:")[2].splitlines() if line.strip()]
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0] if files else text}{more}: missing, and no rule that may run makes it: `make study` first"


def refuse(text: str) -> None:
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)
