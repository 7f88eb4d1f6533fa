"""Freed memory stays in the process: using it again needs no new pages from the kernel."""

import subprocess
import sys

import pytest

from smoothgates.policy import allocator

LOOP = """
import resource
from pathlib import Path
import torch
from smoothgates.policy.allocator import keep_freed_memory

torch.set_num_threads(1)
{call}

def work():
    tensors = [torch.ones(2**20) for _ in range(20)]  # 4 MiB each

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call: str) -> int:
    """Page faults of a loop that allocates and frees 80 MiB five times, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", LOOP.format(call=call)], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library is not glibc")
def test_memory_that_was_freed_is_used_again_without_page_faults():
    assert 3 * faults("assert keep_freed_memory()") < faults("pass")


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert allocator.keep_freed_memory() is False
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False
