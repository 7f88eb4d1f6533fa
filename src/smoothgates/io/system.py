"""Facts that Linux and macOS report in different ways."""

import os
import resource
import sys


def cores() -> int:
    """The number of cores that this process may use: all of them where the system has no affinity."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def peak_bytes() -> int:
    """Peak of this process's main memory, in bytes. The kernel reports KiB on Linux, bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def loopback() -> str:
    """The network interface that no other machine can reach: `lo` on Linux, `lo0` on macOS."""
    import psutil

    found = psutil.net_if_addrs().items()
    return next(name for name, addresses in found if any(each.address == "127.0.0.1" for each in addresses))
