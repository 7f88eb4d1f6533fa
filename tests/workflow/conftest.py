"""A copy of the project to run studies in, and to edit."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smoothgates.jobs.dag import Job, jobs_of
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "workflow", "src", "envs", "config")


class Checkout:
    """A copy of the project in a folder of its own, so that tests may edit it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def snakemake(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "2", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a shell in which this checkout is installed."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder / "src")}

    def pending(self, *arguments: str, study: str = "smoke") -> dict[str, int]:
        """Jobs that a dry run lists, by rule."""
        text = self.snakemake("-n", "--config", f"study={study}", *arguments)
        table = re.search(r"Job stats:\n.*?\n-+.*?\n(.*?)\ntotal", text.stdout + text.stderr, re.DOTALL)
        return {row.split()[0]: int(row.split()[1]) for row in table[1].splitlines()} if table else {}

    def jobs(self, study: str = "smoke") -> list[Job]:
        return jobs_of(load_study(study, self.folder / "config"))

    def copy(self, folder: Path) -> "Checkout":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Checkout(folder)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Checkout:
    """The smoke study, run to its end."""
    return run_study(tmp_path_factory.mktemp("study") / "checkout", "smoke")


@pytest.fixture(scope="session")
def public(tmp_path_factory) -> Checkout:
    """A study of public data, run to its end."""
    mirror = ROOT / "../shared/data"
    next(mirror.iterdir())  # raises where it is missing
    return run_study(tmp_path_factory.mktemp("public") / "checkout", "public", mirror.resolve())


@pytest.fixture(scope="session")
def papers(tmp_path_factory) -> Checkout:
    """A fresh clone with the papers' studies, in which nothing has run, and the corpus that one of them searches."""
    folder = copy_project(ROOT, tmp_path_factory.mktemp("papers") / "checkout")
    (folder / "data").mkdir()
    (folder / "data/wiki18.jsonl").write_text('{"id": "0", "contents": "x"}\n')
    return Checkout(folder)


@pytest.fixture(scope="session")
def sparse(tmp_path_factory) -> Checkout:
    """A study with experts, run to its end."""
    return run_study(tmp_path_factory.mktemp("sparse") / "checkout", "moe")


@pytest.fixture
def checkout(finished, tmp_path) -> Checkout:
    """A copy of the finished smoke study, for the test to edit. Its new folder must not matter."""
    return finished.copy(tmp_path / "moved")


@pytest.fixture
def clone(tmp_path) -> Checkout:
    """A new copy of the project with the smoke study, in which nothing has run."""
    return new_checkout(tmp_path / "clone", "smoke")


def new_checkout(folder: Path, study: str) -> Checkout:
    copy_project(ROOT, folder)
    shutil.copy(ROOT / f"tests/workflow/{study}.yaml", folder / f"config/{study}.yaml")
    return Checkout(folder)


def run_study(folder: Path, study: str, mirror: Path | None = None) -> Checkout:
    import torch  # noqa: F401  (the study's jobs need it: fail here rather than in the middle of a study)

    checkout = new_checkout(folder, study)
    if mirror:
        (folder / "mirror").symlink_to(mirror)
    checkout.snakemake("--config", f"study={study}")
    return checkout


def copy_project(source: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy
        copy(source / name, folder / name)
    return folder
