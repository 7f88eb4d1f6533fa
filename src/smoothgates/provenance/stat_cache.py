"""What was computed from files, kept for other processes until a file changes."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from smoothgates.io.files import write_atomically

SETTLED = 10**9
"""Nanoseconds after which a file that changes again gets another time. Some file systems count whole seconds."""


class StatCache:
    """Lists of strings by file. An entry holds as long as the file's times, size and inode do not change.

    No result depends on it. It is neither read nor written where that fails, nor where its folder does not exist.
    """

    def __init__(self, path: Path, maker: Path):
        """`maker`: the source of what makes the entries. None is valid any more when it changes."""
        self.path, self.maker, self.new = path, maker, False

    def get(self, file: Path, make: Callable[[Path], list[str]]) -> list[str]:
        """What `make` returns for a file."""
        state, found = state_of(file), self.entries.get(str(file))
        if found and found["state"] == state:
            return found["made"]
        made = make(file)
        if time.time_ns() - state[1] > SETTLED:
            self.entries[str(file)], self.new = {"state": state, "made": made}, True
        return made

    def save(self) -> None:
        """Write what is new. Of two processes that write at the same time, one has its entries lost."""
        if self.new:
            self.new = False
            with suppress(OSError):
                text = json.dumps({"maker": state_of(self.maker), "entries": self.entries})
                write_atomically(self.path, text.encode(), parents=False)

    @cached_property
    def entries(self) -> dict[str, dict]:
        """The entries by path."""
        with suppress(OSError, ValueError, LookupError, TypeError):
            found = json.loads(self.path.read_bytes())
            if found["maker"] == state_of(self.maker):
                return found["entries"]
        return {}


def state_of(file: Path) -> list[int]:
    """Facts by which a change of a file is noticed. The second time is the system's, which no program sets."""
    found = file.stat()
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]
