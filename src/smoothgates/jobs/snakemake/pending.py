"""pending: a table of the jobs that Snakemake would run, and why."""

import logging
from collections import defaultdict
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io import text
from smoothgates.jobs.dag import Job, Jobs, made_by
from smoothgates.jobs.snakemake.profile import local_profile
from smoothgates.provenance.integrity import read_record
from smoothgates.study.loader import LoadedStudy, load_study

PARAMS = "Params have changed"
REASONS = {
    "Forced execution": "forced",
    "Missing output files": "no result yet",
    "Incomplete output files": "result is incomplete",
    "Code has changed": "rule changed",
    "Set of input files has changed": "other inputs",
    "Updated input files": "newer input",
    PARAMS: "parameters changed",
    "Input files updated by another job": "reads what a job above makes",
}
"""The beginning of each reason that Snakemake gives, and its words in the table. The first match counts."""
WHAT = {"spec": "config", "code": "code", "lock": "environment"}
HEAD = ("rule", "jobs", "why", "for example")


class Reasons(logging.Filter):
    """Takes the jobs of a dry run, with their reasons, out of Snakemake's messages. Errors pass."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[tuple[str, dict[str, str], str]] = []
        """Rule, wildcards and reason of each job."""

    def filter(self, record: logging.LogRecord) -> bool:
        if str(getattr(record, "event", "")) == "job_info":
            self.jobs.append((record.rule_name, record.wildcards, record.reason))
        return record.levelno >= logging.WARNING


def run(study_name: str) -> int:
    """Print the table. Return the exit code of Snakemake's dry run. Raises BadInput."""
    from snakemake.cli import main
    from snakemake.logging import logger

    study, profile = load_study(study_name), local_profile()
    reasons = Reasons()
    logger.addFilter(reasons)
    try:
        main([*profile, "--config", f"study={study_name}", "--dry-run", "--quiet", "host"])
    except SystemExit as end:
        if end.code:
            return int(end.code)
    jobs = Jobs(study)
    found = [(jobs.of(rule, wildcards), reason) for rule, wildcards, reason in reasons.jobs if rule != "all"]
    found.sort(key=lambda each: list(jobs.outputs).index(each[0].rule))
    print(table([(job, why(study, job, reason)) for job, reason in found]))
    return 0


def why(study: LoadedStudy, job: Job, reason: str) -> str:
    """The reason why a job would run, in the words of the table."""
    given = reason.split("; ")
    for start, words in REASONS.items():
        if any(each.startswith(start) for each in given):
            changed = what_changed(study, job) if start == PARAMS else ""
            return f"{changed} changed" if changed else words
    return reason


def what_changed(study: LoadedStudy, job: Job) -> str:
    """What has changed since the result of a job was made, such as `config and code`. Empty without a run record."""
    try:
        records = [read_record(Path(path)) for path in job.records]
    except BadInput:
        return ""
    today = made_by(study, job)
    return " and ".join(word for key, word in WHAT.items() if any(r[f"{key}_sha256"] != today[key] for r in records))


def table(found: list[tuple[Job, str]]) -> str:
    """One row for each rule and reason, with the number of jobs and one of their names."""
    rows = defaultdict(list)
    for job, reason in found:
        rows[job.rule, reason].append(job.name)
    if not rows:
        return "nothing to do"
    cells = [HEAD, *((rule, str(len(names)), reason, min(names)) for (rule, reason), names in rows.items())]
    cells.append(("total", str(len(found)), "", ""))
    return "\n".join(text.table(cells, left=(0, 2, 3)))
