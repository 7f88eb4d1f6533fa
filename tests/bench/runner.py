"""Runs the parts, each file in a process of its own."""

import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

from .harness import Row
from .parts import PARTS

FAILED = "failed: "
"""How the note of a part begins that could not be measured."""


def rows_of(module: str) -> list[Row]:
    """What one file of this folder measures."""
    return list(import_module(f"tests.bench.{module}").measure())


def facts() -> dict:
    """The machine, the packages and the commit."""
    import torch  # so that its kernels are named

    from smoothgates.io.system import cores
    from smoothgates.provenance.machine import kernels, processor, versions
    from smoothgates.provenance.run_record import commit

    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 1),
        "kernels": kernels(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "versions": versions(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        **commit(),
    }


def alone(function: Callable, *arguments: object):
    """The result of a function in a process of its own: none affects another's memory or modules."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measured(part: str) -> list[Row]:
    """The rows of a part. A file that fails has its error as one row."""
    rows = []
    for module in PARTS[part].modules:
        began = time.monotonic()
        try:
            rows += alone(rows_of, module)
        except (Exception, SystemExit) as error:  # whatever it is, the other parts are measured
            said = " ".join(str(error).split())
            rows.append(Row(part, f"tests/bench/{module}.py", note=f"{FAILED}{type(error).__name__}: {said}"))
        print(f"{part} {module}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows
