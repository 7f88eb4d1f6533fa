"""The pinned environment of each stage, and how the installed packages differ from its lock."""

import hashlib
import operator
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
"""Name prefixes of the packages that only torch's CUDA build needs."""


def environment_of(stage: str, device: str = "cpu") -> str:
    """Name of a stage's environment. Commands that compute no result (plan, verify, the DAG) run in `control`.

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
    """Pinned version of each package that a lock has for this machine and Python. Raises BadInput: there is no lock."""
    lines = re.findall(r"^([\w.-]+)==(\S+)(?: ; (.*?))?(?: --hash.*)?$", _lock(env), re.MULTILINE)
    return {name: version for name, version, marker in lines if _holds(marker)}


def _holds(marker: str) -> bool:
    """Whether a marker is true here. envs/lock.py writes no other form, so reading it needs no package."""
    python = "{}.{}".format(*sys.version_info)  # 3.10 and later compare as text
    here = {"sys_platform": sys.platform, "platform_machine": platform.machine(), "python_version": python}
    compare = {"==": operator.eq, "<": operator.lt, ">=": operator.ge}
    return all(compare[sign](here[fact], value) for fact, sign, value in re.findall(r"(\w+) (\S+) '(.+?)'", marker))


def drift(env: str) -> dict[str, list[str | None]]:
    """[locked, installed] version of each package whose versions differ; the installed one is None if it is missing.

    A local version ("2.13.0+cpu") equals its base version. Beside torch's CPU build no CUDA package is missing.
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
    """Version of each package that this interpreter can import, from the names of the dist-info folders.

    `importlib.metadata` opens a file for each package, which takes fifty times as long.
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
