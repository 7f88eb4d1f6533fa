"""Which pinned environment a stage runs in, and how far the one that it found is from its lock."""

import hashlib
import platform
import re
import sys
from functools import cache
from pathlib import Path

from smoothgates.errors import BadInput

FOLDER = Path(__file__).resolve().parents[3] / "envs"
ENVIRONMENTS = {
    "train": ("prepare", "index", "policy", "train", "evaluate", "gates", "check_gate", "score", "probe"),
    "report": ("analyse", "report"),
}
CUDA_PARTS = ("cuda-", "nvidia-", "triton")
"""How the packages begin that only torch's CUDA build needs."""


def environment_of(stage: str, device: str = "cpu") -> str:
    """Name of a stage's environment. What computes nothing (plan, verify, the DAG itself) runs in `control`.

    >>> [environment_of(stage, "cuda") for stage in ("train", "report", "plan")]
    ['train-cuda', 'report', 'control']
    """
    env = next((env for env, stages in ENVIRONMENTS.items() if stage in stages), "control")
    return "train-cuda" if (env, device) == ("train", "cuda") else env


@cache
def lock_digest(env: str) -> str:
    """First 16 hex digits of the sha256 of an environment's lock."""
    return hashlib.sha256(_lock(env).encode()).hexdigest()[:16]


@cache
def locked(env: str) -> dict[str, str]:
    """Version of each package that an environment's lock pins for this platform."""
    lines = re.findall(r"^([\w.-]+)==(\S+)(?: ; (.*?))?(?: --hash.*)?$", _lock(env), re.MULTILINE)
    here = {"sys_platform": sys.platform, "platform_machine": platform.machine()}
    # envs/lock.py writes no other form of marker, so no package is needed to read them.
    return {
        name: version
        for name, version, marker in lines
        if all(here[fact] == value for fact, value in re.findall(r"(\w+) == '(\w+)'", marker))
    }


def drift(env: str) -> dict[str, list[str | None]]:
    """Locked and found version of each locked package that is another one here, or None where it is absent.

    A local version ("2.13.0+cpu") counts as the one it was built from, and torch's CPU build needs no CUDA packages.
    """
    found = installed()
    without_cuda = found.get("torch", "").endswith("+cpu")
    return {
        name: [version, found.get(name)]
        for name, version in locked(env).items()
        if found.get(name, "").partition("+")[0] != version
        and not (without_cuda and name not in found and name.startswith(CUDA_PARTS))
    }


@cache
def installed() -> dict[str, str]:
    """Version of each package that this interpreter can import, read from the names of their dist-info folders.

    `importlib.metadata` opens a file for each, which takes fifty times as long.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        for entry in Path(folder).glob("*-*.dist-info"):
            name, _, version = entry.stem.rpartition("-")
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return found


def _lock(env: str) -> str:
    path = FOLDER / f"{env}.lock"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file; the stages run from a checkout of the project") from None
