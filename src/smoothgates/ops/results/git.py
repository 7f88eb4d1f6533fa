"""The files that git tracks. They go into archives and are never deleted."""

import subprocess
from collections.abc import Iterable
from pathlib import Path


def git_files(*below: str) -> set[str]:
    """The files that git tracks in the working directory, or in some folders of it. Outside of a repository: none."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--", *below], capture_output=True, encoding="utf-8", errors="surrogateescape"
        )
    except OSError:
        return set()
    return set(done.stdout.split("\0")) - {""}


def tracked(roots: Iterable[Path]) -> frozenset[Path]:
    """The tracked files below some folders, and all their parent folders."""
    files = [Path(name) for name in git_files(*map(str, roots))]
    return frozenset(each for file in files for each in (file, *file.parents))
