"""How the C library keeps memory between allocations.

glibc gives large blocks back to the kernel when they are freed, and the kernel clears and maps each page of the
next block again. A step allocates and frees the same hundreds of MiB of activations over and over.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`."""
LARGEST_BLOCK, UNUSED = 2**25, 2**30
"""Bytes up to which a block comes from memory that is kept, the most that every glibc accepts; bytes that are kept."""


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, for its next allocations. Returns whether the C library agreed.

    Does nothing where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return all([mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK), mallopt(M_TRIM_THRESHOLD, UNUSED)])
