"""The table of a measurement, for the terminal and for docs/performance.md.

python -m tests.bench.page      rewrite the page from docs/performance.json, without measuring
"""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from .harness import Row
from .parts import PARTS

PAGE, RECORD = Path("docs/performance.md"), Path("docs/performance.json")
BAR = 40
"""Characters for a share of 1."""


HEAD = """# Performance

`make bench` measures this table anew and rewrites this page; `python -m tests.bench k2` measures one part. The page
was made on {date} from commit {commit}{dirty}, on {cores} cores of {processor} ({kernels}), with torch {torch}.
When it began, {load} processes were running on average: above 0.5, other work has distorted what follows.

Each row is the median of some repeats, after calls that are not counted. Its spread is the interquartile range.
What is compared takes turns, A B A B, so that drift of the machine affects all alike. Times are CPU seconds on one
thread where nothing else is said, and seconds on a GPU. A ratio is the row's value divided by that of what stands
beside it, in the same unit: less is better for times and memory, more for rates.

**What the ratios mean.** On CPUs they rank implementations of one computation on one machine. They say nothing about
systems: on a GPU, other kernels, transfers and a server for completions decide. K0 to K3 run on a GPU where torch finds
one. They have not been run on one for this page unless it names one above.
"""


def render(record: dict) -> str:
    """The page of a measurement."""
    known = {field.name for field in fields(Row)}
    rows = [Row(**{key: value for key, value in row.items() if key in known}) for row in record["rows"]]
    kernels = ", ".join(f"{name} {value}" for name, value in record["kernels"].items())
    dirty = " with changes" if record["dirty"] else ""
    said = {**record, "kernels": kernels, "dirty": dirty, "commit": (record["commit"] or "unknown")[:7]}
    blocks = [HEAD.format(**said)]
    for name, part in PARTS.items():
        own = [row for row in rows if row.part == name]
        blocks.append(f"## {name}: {part.title}\n\n{part.prose}\n\n{markdown_table(own)}")
    return "\n".join(blocks)


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as text."""
    ratio = "" if row.ratio is None else number(row.ratio)
    measured = "" if row.median is None else f"{number(row.median)} {row.unit}"
    apart = "" if row.spread is None else f"{number(row.spread)} ({row.repeats})"
    target = row.target.replace("<=", "≤").replace(">=", "≥")
    reached = {None: "", True: " ✓", False: " ✗"}[row.reached]
    return (row.what, measured, apart, row.against, ratio, target + reached, row.note)


COLUMNS = ("what", "median", "spread (repeats)", "beside", "ratio", "target", "")


def markdown_table(rows: Iterable[Row]) -> str:
    """The table of a part. Shares of a whole are drawn as bars."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for row in rows:
        *most, note = cells(row)
        bar = "█" * round(BAR * row.ratio) if row.part == "K8" and row.ratio is not None else note
        lines.append((*most, bar))
    return "".join(f"|{'|'.join(f' {text} ' if text else ' ' for text in line)}|\n" for line in lines)


def text_table(rows: list[Row]) -> str:
    """All rows for a terminal, in columns."""
    lines = [("", *COLUMNS[:-1]), *((row.part, *cells(row)[:-1]) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    notes = ["", *(row.note for row in rows)]
    shown = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"{line}  {note}".rstrip() for line, note in zip(shown, notes, strict=True))


def number(value: float) -> str:
    """Three digits, or all those before the point.

    >>> number(0.123456), number(12.3456), number(12345.6)
    ('0.123', '12.3', '12,346')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(line: str) -> None:
    """Write a measurement, and the page that shows it."""
    record = json.loads(line)
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(record), encoding="utf-8")


if __name__ == "__main__":
    write(RECORD.read_text(encoding="utf-8"))
