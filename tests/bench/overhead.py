"""K6: Snakemake's own CPU seconds and memory: reading the rules, planning, and running jobs that do nothing."""

from collections.abc import Iterator

from .dag import JOBS, planning, reading, running, starting
from .harness import Row

TARGETS = {"read the rules": "<= 0.5", "nothing to do": "<= 5"}
LARGE = {"s": "<= 25", "MiB": "<= 400"}
"""Of a dry run of ten thousand jobs."""


def measure(study: str = "laptop", jobs: int = JOBS) -> Iterator[Row]:
    """Each once: a process that works for seconds varies little."""
    for fact in (*reading(study), *planning(jobs), *running(study), *starting()):
        what, unit = fact["what"], fact["unit"]
        target = next((target for begin, target in TARGETS.items() if what.startswith(begin)), "")
        if what.startswith("dry run") and jobs >= JOBS:
            target = LARGE[unit]
        yield Row("K6", f"Snakemake: {what}", unit, fact["value"], repeats=1, target=target)
