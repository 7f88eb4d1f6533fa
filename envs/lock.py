"""Write the locks of the environments: `make lock`, after changing a pin in pyproject.toml.

venv.txt             what the developers' .venv is built from, torch apart
lock.txt             what these locks are made with, in .venv-lock
docs.txt             what the documentation is built with, in .venv-docs
scale.txt            the versions of scale.in, torch apart
NAME.lock            what NAME needs: of control, train and report the versions of venv.txt; train-cuda stands alone,
                     because vLLM wants some packages older
NAME.post-deploy.sh  the lock once more, as a script for conda

All have the sha256 of the package index's files for their platforms, and a marker where not all of these need a
package. Torch is left out where its build is the user's choice: no hash of the index's could fit every build.
Versions stay as they are where they still fit. To renew all, delete venv.txt and the locks first.
Needs uv, which resolves from metadata: no wheel is downloaded, and no GPU is needed for the CUDA environment.
"""

import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path

FOLDER = Path("envs")
IN_VENV = {"control": ("control", "slurm"), "train": ("train",), "report": ("report",)}
"""Environment → its extras."""
ALONE = {"train-cuda": ("train-cuda",)}
LINUX, LINUX_ARM, MAC = "x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin"
EVERYWHERE = (LINUX, LINUX_ARM, MAC)
GPUS = (LINUX,)
SCALE = ("x86_64-manylinux_2_31",)
MACOS = "14.0"
"""The oldest version that wheels are chosen for."""
MARKERS = {
    EVERYWHERE: "",
    (LINUX, LINUX_ARM): " ; sys_platform == 'linux'",
    (LINUX,): " ; sys_platform == 'linux' and platform_machine == 'x86_64'",
    (LINUX_ARM,): " ; sys_platform == 'linux' and platform_machine == 'aarch64'",
    (MAC,): " ; sys_platform == 'darwin'",
}
"""By the platforms that need a package. `smoothgates.provenance.environments` reads these and no others."""
APART = ("torch", "cuda-", "nvidia-", "triton")
"""Prefixes of the packages that come with torch's build."""

HEAD = """\
# Made by `make lock` from {source}. For Python 3.11 on {where}.
"""
WHERE = {
    EVERYWHERE: "Linux (glibc 2.28 or newer) on x86_64 and aarch64, and macOS 14 or newer on Apple silicon",
    GPUS: "Linux (glibc 2.28 or newer) on x86_64",
    SCALE: "Linux (glibc 2.31 or newer) on x86_64",
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


def resolve(extras: Iterable[str], preferred: Iterable[str], held: Iterable[str], platform: str) -> list[str]:
    """`name==version` of all that these extras need: always the `held`, and the `preferred` where they fit."""
    with tempfile.TemporaryDirectory() as folder:
        pins, holds = Path(folder, "pins.txt"), Path(folder, "holds.txt")
        pins.write_text("\n".join(preferred))
        holds.write_text("\n".join(held))
        chosen = [word for extra in extras for word in ("--extra", extra)]
        _compile(platform, "pyproject.toml", *chosen, "--constraint", holds, "--no-annotate", "--output-file", pins)
        return pins_of(pins)


def everywhere(
    extras: Iterable[str], preferred: Iterable[str], held: Iterable[str], platforms: Iterable[str]
) -> dict[str, list[str]]:
    """The same for each platform, one version of each package on all of them."""
    found: dict[str, list[str]] = {}
    for platform in platforms:
        held = sorted({*held, *(pin for pins in found.values() for pin in pins)})
        found[platform] = resolve(extras, preferred, held, platform)
    return found


def hashed(pins: dict[str, list[str]]) -> str:
    """Lock lines of each platform's pins: digests of their wheels for it, or of the source where there is no wheel."""
    needed = [
        (package["name"], package["version"], platform, digest)
        for platform, wanted in pins.items()
        for package in _packages(wanted, platform)
        for digest in _digests(package)
    ]
    lines = []
    for (name, version), files in groupby(sorted(needed), itemgetter(0, 1)):
        _, _, platforms, digests = map(set, zip(*files))
        where = tuple(platform for platform in pins if platform in platforms)
        marker = "" if where == tuple(pins) else MARKERS[where]
        lines.append(" ".join([f"{name}=={version}{marker}", *sorted(digests)]) + "\n")
    return "".join(lines)


def _packages(pins: Iterable[str], platform: str) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        plain, files = Path(folder, "pins.txt"), Path(folder, "pylock.toml")
        plain.write_text("\n".join(pins))
        _compile(platform, plain, "--no-deps", "--format", "pylock.toml", "--output-file", files)
        return tomllib.loads(files.read_text())["packages"]


def _digests(package: dict) -> list[str]:
    files = package.get("wheels") or [package["sdist"]]
    return [f"--hash=sha256:{file['hashes']['sha256']}" for file in files]


def _compile(platform: str, *words: str | Path) -> None:
    target = ("--python-version", "3.11", "--python-platform", platform)
    command = ["uv", "pip", "compile", "--quiet", "--no-header", *target, *words]
    subprocess.run(command, check=True, env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS})


def pins_of(path: Path) -> list[str]:
    """`name==version` of each line of a lock; none if there is no such file."""
    return re.findall(r"^[\w.-]+==[\w.!]+", path.read_text(), re.MULTILINE) if path.is_file() else []


def write(path: Path, pins: dict[str, list[str]], source: str = "pyproject.toml", apart: tuple[str, ...] = ()) -> str:
    """Write a lock, and return its text: `pins` without the packages whose names begin with one of `apart`."""
    kept = {platform: [pin for pin in wanted if not pin.startswith(apart)] for platform, wanted in pins.items()}
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
    own = everywhere(("control", "train", "report", "test"), (), pins[LINUX], EVERYWHERE)
    write(venv, own, apart=APART)
    for env, extras in (IN_VENV | ALONE).items():
        path = FOLDER / f"{env}.lock"
        held = [] if env in ALONE else sorted({pin for wanted in pins.values() for pin in wanted})
        preferred = {pin.partition("==")[0]: pin for pin in [*pins_of(path), *pins[LINUX]]}.values()
        text = write(path, everywhere(extras, preferred, held, GPUS if env in ALONE else EVERYWHERE))
        path.with_suffix(".post-deploy.sh").write_text(script(env, text))


if __name__ == "__main__":
    main()
