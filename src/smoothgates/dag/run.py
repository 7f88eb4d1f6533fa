"""Around Snakemake's run of a study: alone, and the terminal ends with what matters."""

import sys
from collections.abc import Callable

from snakemake.exceptions import MissingInputException
from snakemake.logging import logger

from smoothgates.dag.alone import alone
from smoothgates.dag.causes import Causes
from smoothgates.errors import BadInput

Execute = Callable[..., None]


def watched(workflow, study: str) -> Execute:
    """The method `execute` of a Snakemake workflow, for one process at a time. Where jobs fail or are stopped, their
    causes are the last that the terminal shows. A dry run runs nothing, and is as it was.
    """
    execute, causes = workflow.execute, Causes()

    def run(*args, **how) -> None:
        if workflow.output_settings.dryrun or not workflow.execution_settings.lock:
            return execute(*args, **how)
        try:
            with alone(study):
                logger.addFilter(causes)
                return execute(*args, **how)
        except MissingInputException as error:
            refuse(missing(str(error)))
        except BadInput as error:
            refuse(str(error))
        except KeyboardInterrupt:
            causes.stopping = True
        except Exception:  # that jobs failed, if they did
            if not causes.ended and not causes.stopping:
                raise
        sys.exit(causes.tell())

    return run


def missing(text: str) -> str:
    """What `make report` lacks while its study is unfinished, in one line instead of one for each file."""
    files = [line.strip() for line in text.partition("affected files:")[2].splitlines() if line.strip()]
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0] if files else text}{more}: not there, and no rule that may run makes it: `make study` first"


def refuse(text: str) -> None:
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)
