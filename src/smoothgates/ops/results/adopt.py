"""adopt: results that were copied into a checkout become Snakemake's own, once they are found to be right.

A copy lacks Snakemake's records, and its times are in the order of copying, so that much of it would be made again;
and Snakemake without its records does not see that a spec has changed. `verify` knows better than times.
"""

import subprocess
import sys

from smoothgates.errors import BadInput
from smoothgates.ops.results.show import in_short
from smoothgates.ops.results.verify import verify
from smoothgates.study.loader import LoadedStudy


def run(study: LoadedStudy) -> int:
    """Have Snakemake record every finished job of a study as just made; its exit code. BadInput if one is not right."""
    audit = verify(study)
    if wrong := [finding for finding in audit.findings if not finding.is_stray]:
        raise BadInput(f"not adopted, run the study instead: {in_short(wrong)}")
    done = audit.jobs("done")
    if not done:
        raise BadInput(f"results/{study.name}: nothing to adopt")
    # What nothing else was made from: the rest comes before it, and with it.
    read = {path for job in done for path in job.reads}
    last = [path for job in done for path in job.writes if path not in read]
    options = ["--profile", "workflow/profiles/local", "--config", f"study={study.path}", "--quiet", "all"]
    command = [sys.executable, "-m", "snakemake", *options, "--touch", "--forceall", "--", *last]
    told = subprocess.run(command, check=False)
    if told.returncode == 0:
        print(f"adopted {len(done)} jobs of {len(audit.states)}")
    return told.returncode
