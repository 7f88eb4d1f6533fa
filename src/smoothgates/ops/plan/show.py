"""A plan as text or JSON."""

import json
from dataclasses import asdict

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
    """Print the plan of a study, as if it had so many seeds. Raises BadInput."""
    loaded = load_study(study)
    found = plan(loaded.seeded(seeds) if seeds else loaded, machine, concurrency)
    print(json.dumps(asdict(found), indent=1) if as_json else text(found))


def text(plan: Plan) -> str:
    rows = [HEAD, *map(cells, plan.rows), total(plan.rows)]
    results, to_come = sum(row.bytes for row in plan.rows), sum(row.bytes_to_do for row in plan.rows)
    one = "GPU" if any(row.gpus for row in plan.rows) else "process"
    facts = {
        "Wall time": f"{duration(plan.wall_seconds)} for all, {duration(plan.wall_seconds_to_do)} for what is to do; "
        f"the longest chain of jobs takes {duration(plan.chain_seconds)}",
        "Disk": f"{size(results)} of results, {size(to_come)} of them to come; "
        f"checkpoints in work/ up to {size(plan.work_bytes)} meanwhile",
        "Memory": f"peak of one {one}, of {size(plan.memory_bytes)}",
        "Too large": ", ".join(row.rule for row in plan.rows if row.peak_bytes > plan.memory_bytes),
        **sources(plan.rows),
    }
    lines = [f"{word:<10} {fact}" for word, fact in facts.items() if fact]
    head = f"Study {plan.study} on {plan.machine} ({plan.about}), jobs at once: {plan.concurrency}"
    return "\n".join([head, "", *aligned(rows), "", *lines])


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


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Text on the left, numbers on the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def sources(rows: list[Row]) -> dict[str, str]:
    """What the last column's words mean, of those that stand in it."""
    found = " ".join(row.source for row in rows)
    meanings = {
        "measured": "what finished jobs took, those of the same task and regime first, scaled by the model",
        MODEL: f"arithmetic and bandwidth by config/machines.yaml, completions {SHARE:.0%} as long as allowed,\n"
        f"{'':<10} {VARIED:.0%} of them in groups to learn from; stated in src/smoothgates/plan/model.py",
    }
    return {word: meaning for word, meaning in meanings.items() if word in found}


def duration(seconds: float) -> str:
    """For people.

    >>> duration(3.94), duration(592), duration(11520), duration(432000)
    ('3.9 s', '9.9 min', '3.2 h', '5.0 d')
    """
    for unit, length, most in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 259200)):
        if seconds < most:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds / 86400)} d"


def hours(value: float) -> str:
    """Of cores or GPUs.

    >>> hours(111.4), hours(0.18), hours(0.002), hours(0)
    ('111', '0.18', '<0.01', '0')
    """
    return "<0.01" if 0 < value < 0.01 else number(value)


def size(count: float) -> str:
    """Of bytes, for people.

    >>> size(41.3e9), size(120e6), size(0)
    ('41 GB', '120 MB', '0 MB')
    """
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9)):
        if count >= bytes_:
            return f"{number(count / bytes_)} {unit}"
    return f"{number(count / 1e6)} MB"


def number(value: float) -> str:
    """Two digits, or all of those before the point.

    >>> number(0.1834), number(3.21), number(41.3), number(1234.5), number(0)
    ('0.18', '3.2', '41', '1,234', '0')
    """
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
