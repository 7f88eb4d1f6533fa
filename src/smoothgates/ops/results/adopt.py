"""adopt: verify results that were copied into a checkout, and let Snakemake treat them as made there.

A copy has no Snakemake records, and its file times follow the order of copying. Without records Snakemake does not see
that a spec has changed, and the times would make it repeat much of the study. `verify` compares digests instead.
"""

from smoothgates.errors import BadInput
from smoothgates.jobs.snakemake.profile import local_profile
from smoothgates.ops.results.show import in_short
from smoothgates.ops.results.verify import verify
from smoothgates.ops.touch import touch
from smoothgates.study.loader import LoadedStudy


def run(study: LoadedStudy) -> int:
    """Let Snakemake record all finished jobs of a study as just made. Returns its exit code.

    Raises BadInput if a result is stale, foreign or damaged.
    """
    audit = verify(study)
    if wrong := [finding for finding in audit.findings if not finding.is_stray]:
        raise BadInput(f"not adopted, run the study instead: {in_short(wrong)}")
    done = audit.jobs("done")
    if not done:
        raise BadInput(f"results/{study.name}: nothing to adopt")
    # Only outputs that no finished job reads: Snakemake touches the files that they were made from as well.
    read = {path for job in done for path in job.reads}
    last = [path for job in done for path in job.writes if path not in read]
    code = touch(study.path, last, *local_profile(), "--forceall")
    if code == 0:
        print(f"adopted {len(done)} jobs of {len(audit.states)}")
    return code
