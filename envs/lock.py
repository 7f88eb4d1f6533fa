"""Write the locks of the environments: `make lock`, after changing a pin in pyproject.toml.

venv.txt             the developers' .venv, without torch
lock.txt             .venv-lock, which makes these locks
docs.txt             .venv-docs, which builds the documentation
bench.txt            what .venv-bench adds to .venv
browser.txt          what .venv-browser adds to .venv
scale.txt            the versions of scale.in, without torch
NAME.lock            the environment NAME. control, train and report have the versions of venv.txt; train-cuda is
                     resolved by itself, because vLLM requires older versions of some packages
NAME.post-deploy.sh  the lock once more, as a script for conda

Each lock has the sha256 of the package index's files for its targets (a version of Python on a platform), and a marker
if not all targets need a package. Torch is left out where its build is the user's choice: no hash of the index fits
every build.
Versions that still fit are kept. To renew all of them, delete venv.txt and the locks first.
Needs uv, which resolves from metadata: no wheel is downloaded, and no GPU is needed for the CUDA environment.
"""

import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable
from itertools import groupby, product
from operator import itemgetter
from pathlib import Path

FOLDER = Path("envs")
IN_VENV = {"control": ("control", "slurm"), "train": ("train",), "report": ("report",)}
"""Environment → its extras."""
OF_VENV = ("control", "train", "report", "test")
ALONE = {"train-cuda": ("train-cuda",)}
PYTHONS = ("3.11", "3.12", "3.13")
"""The supported versions, which pyproject.toml names too, from the oldest up."""
LINUX, LINUX_ARM, MAC = "x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin"
MACOS = "14.0"
"""The oldest version that wheels are chosen for."""
EVERYWHERE = tuple(product(PYTHONS, (LINUX, LINUX_ARM, MAC)))
# vLLM 0.32 needs cuda-python 12.6, which has no wheel for Python 3.13: its environments use the version that conda's
# files name.
GPUS = (("3.11", LINUX),)
SCALE = (("3.11", "x86_64-manylinux_2_31"),)
BENCH = tuple(product(PYTHONS, (LINUX, LINUX_ARM)))  # Liger requires triton, which macOS has not
BESIDE = {"bench": BENCH, "browser": EVERYWHERE}
"""Extra of a second environment, which is .venv and this extra → its targets."""
PLATFORM_MARKERS = {
    (LINUX, LINUX_ARM, MAC): [],
    (LINUX, LINUX_ARM): ["sys_platform == 'linux'"],
    (LINUX,): ["sys_platform == 'linux'", "platform_machine == 'x86_64'"],
    (LINUX_ARM,): ["sys_platform == 'linux'", "platform_machine == 'aarch64'"],
    (MAC,): ["sys_platform == 'darwin'"],
}
"""By the platforms that need a package."""
APART = ("torch", "cuda-", "nvidia-", "triton")
"""Prefixes of the packages that come with torch's build."""

HEAD = """\
# Made by `make lock` from {source}. For {where}.
"""
WHERE = {
    EVERYWHERE: "Python 3.11 to 3.13 on Linux (glibc 2.28 or newer; x86_64, aarch64) and macOS 14 or newer (arm64)",
    BENCH: "Python 3.11 to 3.13 on Linux (glibc 2.28 or newer; x86_64, aarch64)",
    GPUS: "Python 3.11 on Linux (glibc 2.28 or newer) on x86_64",
    SCALE: "Python 3.11 on Linux (glibc 2.31 or newer) on x86_64",
}
SCRIPT = """\
#!/usr/bin/env bash
# Made by `make lock` from {env}.lock. Snakemake runs this when it has made the conda environment, and hashes this file
# with it, but not what it would refer to: so the pins stand in it.
set -euo pipefail
lock=$(mktemp)
trap 'rm "$lock"' EXIT
cat > "$lock" <<'LOCK'
{lock}LOCK
{build}python -m pip install --no-deps --require-hashes --no-build-isolation -r "$lock"
"""
BUILD = """\
# First what builds the packages without a wheel: pip would fetch it by itself, without checking a hash.
grep '^setuptools==' "$lock" | python -m pip install --no-deps --require-hashes -r /dev/stdin
"""


Target = tuple[str, str]
"""A version of Python, and a platform."""


def resolve(extras: Iterable[str], preferred: Iterable[str], held: Iterable[str], target: Target) -> list[str]:
    """`name==version` of all that these extras need: the `held` versions, and the `preferred` ones if they fit."""
    with tempfile.TemporaryDirectory() as folder:
        pins, holds = Path(folder, "pins.txt"), Path(folder, "holds.txt")
        pins.write_text("\n".join(preferred))
        holds.write_text("\n".join(held))
        chosen = [word for extra in extras for word in ("--extra", extra)]
        _compile(target, "pyproject.toml", *chosen, "--constraint", holds, "--no-annotate", "--output-file", pins)
        return pins_of(pins)


def everywhere(
    extras: Iterable[str], preferred: Iterable[str], held: Iterable[str], targets: Iterable[Target]
) -> dict[Target, list[str]]:
    """Do the same for each target, with one version of each package on all of them."""
    found: dict[Target, list[str]] = {}
    for target in targets:
        held = sorted({*held, *(pin for pins in found.values() for pin in pins)})
        found[target] = resolve(extras, preferred, held, target)
    return found


def hashed(pins: dict[Target, list[str]]) -> str:
    """Lock lines of each target's pins: digests of their wheels for it, or of the source where there is no wheel."""
    needed = [
        (package["name"], package["version"], target, digest)
        for target, wanted in pins.items()
        for package in _packages(wanted, target)
        for digest in _digests(package)
    ]
    lines = []
    for (name, version), files in groupby(sorted(needed), itemgetter(0, 1)):
        _, _, targets, digests = map(set, zip(*files))
        where = tuple(target for target in pins if target in targets)
        marker = "" if where == tuple(pins) else f" ; {marker_of(where)}"
        lines.append(" ".join([f"{name}=={version}{marker}", *sorted(digests)]) + "\n")
    return "".join(lines)


def marker_of(targets: tuple[Target, ...]) -> str:
    """The marker of a package that only these of EVERYWHERE need: the same platforms on successive versions of Python.

    `smoothgates.provenance.environments` reads no other form.
    """
    pythons, platforms = (tuple(dict.fromkeys(column)) for column in zip(*targets))
    first = PYTHONS.index(pythons[0])
    after = PYTHONS[first + len(pythons) :]
    assert targets == tuple(product(PYTHONS[first : first + len(pythons)], platforms)), targets
    oldest = [f"python_version >= '{pythons[0]}'"] if first else []
    newest = [f"python_version < '{after[0]}'"] if after else []
    return " and ".join([*oldest, *newest, *PLATFORM_MARKERS[platforms]])


def _packages(pins: Iterable[str], target: Target) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        plain, files = Path(folder, "pins.txt"), Path(folder, "pylock.toml")
        plain.write_text("\n".join(pins))
        _compile(target, plain, "--no-deps", "--format", "pylock.toml", "--output-file", files)
        return tomllib.loads(files.read_text())["packages"]


def _digests(package: dict) -> list[str]:
    files = package.get("wheels") or [package["sdist"]]
    return [f"--hash=sha256:{file['hashes']['sha256']}" for file in files]


def _compile(target: Target, *words: str | Path) -> None:
    chosen = ("--python-version", target[0], "--python-platform", target[1])
    command = ["uv", "pip", "compile", "--quiet", "--no-header", *chosen, *words]
    subprocess.run(command, check=True, env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS})


def pins_of(path: Path) -> list[str]:
    """`name==version` of each line of a lock; none if there is no such file."""
    return re.findall(r"^[\w.-]+==[\w.!]+", path.read_text(), re.MULTILINE) if path.is_file() else []


def write(
    path: Path, pins: dict[Target, list[str]], source: str = "pyproject.toml", apart: tuple[str, ...] = ()
) -> str:
    """Write a lock, and return its text: `pins` without the packages whose names begin with one of `apart`."""
    kept = {target: [pin for pin in wanted if not pin.startswith(apart)] for target, wanted in pins.items()}
    lock = HEAD.format(source=source, where=WHERE[tuple(pins)]) + hashed(kept)
    path.write_text(lock)
    return lock


def script(env: str, lock: str) -> str:
    """The post-deploy script of an environment."""
    return SCRIPT.format(env=env, lock=lock, build=BUILD if "\nsetuptools==" in lock else "")


def main() -> None:
    venv, lock, docs, scale = (FOLDER / f"{name}.txt" for name in ("venv", "lock", "docs", "scale"))
    uv = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]["lock"]
    write(lock, dict.fromkeys(EVERYWHERE, uv))
    write(docs, everywhere(("docs",), pins_of(docs), (), EVERYWHERE))
    write(scale, dict.fromkeys(SCALE, pins_of(FOLDER / "scale.in")), "scale.in", apart=("torch==",))
    preferred = [pin for env in IN_VENV for pin in pins_of(FOLDER / f"{env}.lock")]
    pins = everywhere((*sum(IN_VENV.values(), ()), "test"), {*preferred, *pins_of(venv)}, (), EVERYWHERE)
    own = everywhere(OF_VENV, (), pins[EVERYWHERE[0]], EVERYWHERE)
    write(venv, own, apart=APART)
    held = sorted({pin for each in own.values() for pin in each})
    for extra, targets in BESIDE.items():
        path = FOLDER / f"{extra}.txt"
        beside = everywhere((*OF_VENV, extra), pins_of(path), held, targets)
        write(path, {target: sorted({*beside[target]} - {*own[target]}) for target in targets}, apart=APART)
    for env, extras in (IN_VENV | ALONE).items():
        path = FOLDER / f"{env}.lock"
        held = [] if env in ALONE else sorted({pin for wanted in pins.values() for pin in wanted})
        preferred = {pin.partition("==")[0]: pin for pin in [*pins_of(path), *pins[EVERYWHERE[0]]]}.values()
        text = write(path, everywhere(extras, preferred, held, GPUS if env in ALONE else EVERYWHERE))
        path.with_suffix(".post-deploy.sh").write_text(script(env, text))


if __name__ == "__main__":
    main()
