"""What Linux and macOS tell in different ways."""

import os
import resource
import sys


def cores() -> int:
    """That this process may use, or that the machine has where the system binds no process to some of them."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def peak_bytes() -> int:
    """Most main memory that this process has held so far. Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def loopback() -> str:
    """The network interface that no other machine reaches: `lo` on Linux, `lo0` on macOS."""
    import psutil

    found = psutil.net_if_addrs().items()
    return next(name for name, addresses in found if any(each.address == "127.0.0.1" for each in addresses))
