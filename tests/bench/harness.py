"""What all parts of the benchmark share: a row of the table, and how times are taken."""

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Times = dict[str, list[float]]
"""Seconds of each call of each function, by its name."""


@dataclass(frozen=True)
class Row:
    """One measurement, perhaps beside another's."""

    part: str
    """Such as K1."""
    what: str
    unit: str = ""
    median: float | None = None
    """None if it was not measured; `note` says why."""
    spread: float | None = None
    """Interquartile range. None for a single value."""
    repeats: int = 0
    against: str = ""
    """What it is compared with."""
    ratio: float | None = None
    """This median divided by the other's, in the same unit."""
    target: str = ""
    """`<= 1.3` or `>= 1.5`: of the ratio if there is one, of the median otherwise."""
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached. None if there is none, or nothing was measured."""
        found = self.median if self.ratio is None else self.ratio
        if not self.target or found is None:
            return None
        sign, bound = self.target.split()
        return {"<=": found <= float(bound), ">=": found >= float(bound)}[sign]


def alternate(functions: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> Times:
    """Time each function `repeats` times, after two calls that are not counted.

    They take turns, A B A B, so that drift of the machine affects all alike.
    """
    times: Times = {name: [] for name in functions}
    for i in range(repeats + 2):
        for name, function in functions.items():
            began = clock()
            function()
            if i >= 2:
                times[name].append(clock() - began)
    return times


def spread(values: list[float]) -> float | None:
    """The interquartile range. None of a single value."""
    if len(values) < 2:
        return None
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return third - first


def summary(values: list[float], others: list[float] | None = None, **fields: str) -> Row:
    """The row of some measurements, and their ratio to others in the same unit."""
    median = statistics.median(values)
    ratio = median / statistics.median(others) if others else None
    return Row(median=median, spread=spread(values), repeats=len(values), ratio=ratio, **fields)


def clock() -> Callable[[], float]:
    """CPU seconds of this process; seconds, waiting for the GPU, where there is one."""
    import torch

    if not torch.cuda.is_available():
        return time.process_time

    def synchronized() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return synchronized


def device() -> str:
    """Where tensors are measured."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def cpu_seconds(command: list[str]) -> float:
    """CPU seconds of a command, with those of the processes that it waits for.

    Raises RuntimeError with the last line of its errors if it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
