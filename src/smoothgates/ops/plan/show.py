"""Print a plan as text or JSON."""

import json
from dataclasses import asdict

from smoothgates.io.text import duration, hours, size, table
from smoothgates.ops.plan.history import MODEL
from smoothgates.ops.plan.load import SHARE, VARIED
from smoothgates.ops.plan.plan import Plan, Row, plan
from smoothgates.study.loader import load_study

HEAD = ("rule", "jobs", "to do", "a job", "hours", "left", "disk", "memory", "from")


def run(
    study: str,
    machine: str | None = None,
    concurrency: int | None = None,
    as_json: bool = False,
    seeds: int | None = None,
) -> None:
    """Print the plan of a study, for `seeds` seeds instead of its own. Raises BadInput."""
    loaded = load_study(study)
    found = plan(loaded.seeded(seeds) if seeds else loaded, machine, concurrency)
    print(json.dumps(asdict(found), indent=1) if as_json else text(found))


def text(plan: Plan) -> str:
    rows = [HEAD, *map(cells, plan.rows), total(plan.rows)]
    results, to_come = sum(row.bytes for row in plan.rows), sum(row.bytes_to_do for row in plan.rows)
    one = "GPU" if any(row.gpus for row in plan.rows) else "process"
    facts = {
        "Wall time": f"{duration(plan.wall_seconds)} for all jobs, "
        f"{duration(plan.wall_seconds_to_do)} for those to do; "
        f"the longest chain of jobs takes {duration(plan.chain_seconds)}",
        "Disk": f"{size(results)} of results, {size(to_come)} of them still to be made; "
        f"up to {size(plan.work_bytes)} of checkpoints in work/ meanwhile",
        "Memory": f"peak of one {one}, which has {size(plan.memory_bytes)}",
        "Too large": ", ".join(row.rule for row in plan.rows if row.peak_bytes > plan.memory_bytes),
        **sources(plan.rows),
    }
    lines = [f"{word:<10} {fact}" for word, fact in facts.items() if fact]
    head = f"Study {plan.study} on {plan.machine} ({plan.about}), jobs at once: {plan.concurrency}"
    return "\n".join([head, "", *table(rows, left=(0, len(HEAD) - 1)), "", *lines])


def cells(row: Row) -> tuple[str, ...]:
    unit = "GPU-h" if row.gpus else "CPU-h"
    return (
        row.rule,
        str(row.jobs),
        str(row.to_do),
        duration(row.seconds_per_job),
        f"{hours(row.hours)} {unit}",
        hours(row.hours_to_do),
        size(row.bytes),
        size(row.peak_bytes),
        row.source,
    )


def total(rows: list[Row]) -> tuple[str, ...]:
    kinds = {"CPU-h": [row for row in rows if not row.gpus], "GPU-h": [row for row in rows if row.gpus]}
    used = {unit: chosen for unit, chosen in kinds.items() if chosen}
    return (
        "total",
        str(sum(row.jobs for row in rows)),
        str(sum(row.to_do for row in rows)),
        "",
        " + ".join(f"{hours(sum(row.hours for row in chosen))} {unit}" for unit, chosen in used.items()),
        " + ".join(hours(sum(row.hours_to_do for row in chosen)) for chosen in used.values()),
        size(sum(row.bytes for row in rows)),
        "",
        "",
    )


def sources(rows: list[Row]) -> dict[str, str]:
    """The meaning of each word that the last column contains."""
    found = " ".join(row.source for row in rows)
    meanings = {
        "measured": "what the nearest finished jobs took, scaled by the model",
        MODEL: f"arithmetic and bandwidth of config/machines.yaml, completions of {SHARE:.0%} of the allowed length,\n"
        f"{'':<10} {VARIED:.0%} of them in groups with different rewards; see src/smoothgates/ops/plan/model.py",
    }
    return {word: meaning for word, meaning in meanings.items() if word in found}
