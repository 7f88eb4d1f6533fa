"""Write the locks of the environments: `make lock`, after changing a pin in pyproject.toml.

venv.txt             one version of each package that the developers' .venv may hold
NAME.lock            what NAME needs of these, with the sha256 of the package index's files for Linux on x86_64;
                     train-cuda stands alone, because vLLM wants some packages older
NAME.post-deploy.sh  the lock once more, as a script for conda

Versions stay as they are where they still fit. To renew all, delete venv.txt and the locks first.
Needs uv, which resolves from metadata: no wheel is downloaded, and no GPU is needed for the CUDA environment.
"""

import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("envs")
IN_VENV = {"control": ("control", "slurm"), "train": ("train",), "report": ("report",)}
"""Environment → its extras."""
ALONE = {"train-cuda": ("train-cuda",)}
TARGET = ("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28")

VENV_HEAD = """\
# Made by `make lock` from pyproject.toml: what the developers' .venv is built from. A wheel of one's own with a local
# version (torch's "+cpu") fits as well, so there are no hashes; the locks beside this file have them.
"""
LOCK_HEAD = """\
# Made by `make lock` from pyproject.toml. For Python 3.11 and glibc 2.28 or newer on x86_64.
"""
SCRIPT = """\
#!/usr/bin/env bash
# Made by `make lock` from {env}.lock. Snakemake runs this when it has made the conda environment, and hashes this file
# with it, but not what it would refer to: so the pins stand in it.
set -euo pipefail
python -m pip install --no-deps --require-hashes -r /dev/stdin <<'LOCK'
{lock}LOCK
"""


def resolve(extras: Iterable[str], preferred: Iterable[str], held: Iterable[str] = ()) -> list[str]:
    """`name==version` of all that these extras need: always the `held`, and the `preferred` where they fit."""
    with tempfile.TemporaryDirectory() as folder:
        pins, holds = Path(folder, "pins.txt"), Path(folder, "holds.txt")
        pins.write_text("\n".join(preferred))
        holds.write_text("\n".join(held))
        chosen = [word for extra in extras for word in ("--extra", extra)]
        _compile("pyproject.toml", *chosen, "--constraint", holds, "--no-annotate", "--output-file", pins)
        return pins_of(pins)


def hashed(pins: Iterable[str]) -> str:
    """Lock lines: each pin with the digests of its wheels for the target, or of its source where it has no wheel."""
    with tempfile.TemporaryDirectory() as folder:
        plain, files = Path(folder, "pins.txt"), Path(folder, "pylock.toml")
        plain.write_text("\n".join(pins))
        _compile(plain, "--no-deps", "--format", "pylock.toml", "--output-file", files)
        packages = tomllib.loads(files.read_text())["packages"]
    return "".join(_line(package) for package in packages)


def _line(package: dict) -> str:
    files = package.get("wheels") or [package["sdist"]]
    hashes = sorted(f"--hash=sha256:{file['hashes']['sha256']}" for file in files)
    return " ".join([f"{package['name']}=={package['version']}", *hashes]) + "\n"


def _compile(*words: str | Path) -> None:
    subprocess.run([*("uv", "pip", "compile", "--quiet", "--no-header"), *TARGET, *words], check=True)


def pins_of(path: Path) -> list[str]:
    """`name==version` of each line of a lock; none if there is no such file."""
    return re.findall(r"^[\w.-]+==[\w.!]+", path.read_text(), re.MULTILINE) if path.is_file() else []


def main() -> None:
    venv = FOLDER / "venv.txt"
    pins = resolve((*sum(IN_VENV.values(), ()), "test"), preferred=pins_of(venv))
    venv.write_text(VENV_HEAD + "".join(f"{pin}\n" for pin in pins))
    for env, extras in (IN_VENV | ALONE).items():
        path = FOLDER / f"{env}.lock"
        preferred = {pin.partition("==")[0]: pin for pin in [*pins_of(path), *pins]}.values()
        lock = LOCK_HEAD + hashed(resolve(extras, preferred, held=() if env in ALONE else pins))
        path.write_text(lock)
        path.with_suffix(".post-deploy.sh").write_text(SCRIPT.format(env=env, lock=lock))


if __name__ == "__main__":
    main()
