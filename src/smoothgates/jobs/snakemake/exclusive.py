"""One Snakemake at a time for each study in a working directory. The locks of a killed one are removed."""

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from smoothgates.errors import BadInput
from smoothgates.io.files import lock
from smoothgates.io.paths import Paths

FOLDER = Path(".snakemake/studies")
"""One file for each study, locked while its Snakemake runs. It names that process; a normal end empties it."""
LOCKS = Path(".snakemake/locks")
"""Snakemake's own locks. They remain after a kill, and list files without naming a process."""
AT_WORK = "is at work on this study"


@contextmanager
def alone(study: str) -> Iterator[None]:
    """Lock a study for this process. Raises BadInput if another process holds the lock or the file system has no locks.

    The kernel releases the lock when the process ends, however it ends. Child processes do not inherit the lock.
    """
    path = FOLDER / study
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        if not lock(file, path):
            raise BadInput(f"{Paths(study).results}: {_who(_read(file))} {AT_WORK}")
        left = _read(file)
        if left and left["host"] != platform.node():
            # Some file systems do not share locks among hosts, so our lock does not prove that the other one is gone.
            raise BadInput(
                f"{Paths(study).results}: {_who(left)} {AT_WORK}, as far as {platform.node()} can tell;"
                f" if it is not, remove {path}"
            )
        if clear(study):
            print(f"cleared the lock of {_who(left)}, which was killed", file=sys.stderr)
        _write(file, json.dumps({"host": platform.node(), "pid": os.getpid(), "since": time.strftime("%F %T")}))
        try:
            yield
        finally:
            _write(file, "")


def release(study: str) -> None:
    """Remove our lock and Snakemake's on a study. The caller must know that no process on any host is running it."""
    clear(study)
    (FOLDER / study).unlink(missing_ok=True)


def clear(study: str) -> bool:
    """Remove Snakemake's locks on the files of a study. Its Snakemake must be dead. Return whether there were any."""
    paths = Paths(study)
    own = (f"{paths.results}/", f"{paths.reports}/")
    found = [
        each
        for each in LOCKS.glob("*.lock")
        if any(line.startswith(own) for line in each.read_text(encoding="utf-8").splitlines())
    ]
    for each in found:
        each.unlink()
    return bool(found)


def _who(facts: dict) -> str:
    return "process {pid} on {host} (since {since})".format(**facts) if facts else "a Snakemake"


def _read(file: TextIO) -> dict:
    file.seek(0)
    try:
        return json.load(file)
    except ValueError:  # empty, or torn by a crash
        return {}


def _write(file: TextIO, text: str) -> None:
    # In place: a new file would not have the lock.
    file.truncate(0)
    file.write(text)
    file.flush()
