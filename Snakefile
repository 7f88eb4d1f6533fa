"""One study, one DAG: data → warm starts → RL runs → scores → comparisons → report.

Choose the study with `--config study=NAME`: a name in config/ or the path of a file of your own (default: laptop).
"""

from snakemake.utils import min_version

min_version("9.22")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/policy.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


rule all:
    """The study's report."""
    default_target: True
    input:
        REPORT.outputs,
    localrule: True
