"""One Snakemake at a time for a study in a working directory. What a killed one left locked is cleared."""

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
"""Who is at work on a study, one file each: held while its Snakemake lives, empty after an orderly end."""
LOCKS = Path(".snakemake/locks")
"""Snakemake's own, which outlive a kill: they list files and name nobody."""
AT_WORK = "is at work on this study"


@contextmanager
def alone(study: str) -> Iterator[None]:
    """Hold a study for this process. Raises BadInput that says who else holds it, or that there are no locks here.

    The kernel ends the hold with the process, however that ends, and no child inherits it.
    """
    path = FOLDER / study
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        if not lock(file, path):
            raise BadInput(f"{Paths(study).results}: {_who(_read(file))} {AT_WORK}")
        left = _read(file)
        if left and left["host"] != platform.node():
            # Not every file system shares its locks among hosts, so holding the file does not tell.
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
    """Forget who held a study. The caller must know that nobody is at work on it any more, on another host either."""
    clear(study)
    (FOLDER / study).unlink(missing_ok=True)


def clear(study: str) -> bool:
    """Remove Snakemake's locks on files of a study, whose Snakemake must be dead; whether there were some."""
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
    # In place: a new file would not carry the hold.
    file.truncate(0)
    file.write(text)
    file.flush()
