"""Print the findings of `verify`."""

import json
from collections import Counter
from dataclasses import asdict

from smoothgates.io.text import table
from smoothgates.ops.results.verify import STATES, Audit, Finding, verify
from smoothgates.study.loader import LoadedStudy

SHOWN = 20
"""Most findings in the text. JSON has all."""


def run(study: LoadedStudy, as_json: bool = False) -> int:
    """Verify a study and print the findings. Returns the exit code: 1 if there are any."""
    audit = verify(study)
    print(as_data(audit) if as_json else as_text(audit))
    return 1 if audit.findings else 0


def counts(audit: Audit) -> dict[str, Counter[str]]:
    """The number of jobs, by rule and state."""
    found: dict[str, Counter[str]] = {}
    for job, state in audit.states:
        found.setdefault(job.rule, Counter())[state] += 1
    return found


def as_data(audit: Audit) -> str:
    return json.dumps(
        {
            "schema": "smoothgates.verify",
            "schema_version": 1,
            "study": audit.study,
            "jobs": counts(audit),
            "findings": [asdict(finding) for finding in audit.findings],
            "leftovers": audit.leftovers,
            "notes": audit.notes,
        },
        indent=1,
        ensure_ascii=False,
    )


def as_text(audit: Audit) -> str:
    """A table of jobs by rule and state, one line for each cause of findings, and notes."""
    jobs = counts(audit)
    columns = [state for state in STATES if any(row[state] for row in jobs.values())]
    lines = table(
        [("rule", *columns), *((rule, *(str(row[state] or "") for state in columns)) for rule, row in jobs.items())]
    )
    found = causes(audit.findings)
    lines += ["", *found[:SHOWN]]
    if found[SHOWN:]:
        lines.append(f"and {len(found) - SHOWN} more: --json lists them all")
    lines += [f"note: {count} results {what}" for what, count in audit.notes.items()]
    if audit.leftovers:
        lines.append(
            f"note: {len(audit.leftovers)} temporary files; `prune` deletes those of processes that have ended"
        )
    if not audit.findings:
        lines.append("Nothing is wrong.")
    return "\n".join(lines)


def causes(findings: list[Finding]) -> list[str]:
    """A line for each damaged or foreign file, and a line for all jobs of a rule that are stale for one reason."""
    lines, stale = [], {}
    for finding in findings:
        if finding.kind == "stale":
            stale.setdefault((finding.rule, finding.why), []).append(finding.job)
        else:
            lines.append(f"{finding.kind:8} {finding.path}: {finding.why}")
    for (rule, why), jobs in stale.items():
        more = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
        lines.append(f"stale    {' '.join(filter(None, (rule, jobs[0])))}{more}: {why}")
    return lines


def in_short(findings: list[Finding]) -> str:
    """The first cause, and the number of others."""
    first, *others = causes(findings)
    return " ".join(first.split()) + (f" (and {len(others)} more: `verify` lists them)" if others else "")
