"""A training run to interrupt, and the result of the same run without interruption."""

import os
import subprocess

import pytest
import torch

from .rig import SPEC, Run, attempt, make_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder)
    return folder


@pytest.fixture
def run(inputs, tmp_path) -> Run:
    return Run(inputs, tmp_path, SPEC)


@pytest.fixture(scope="session")
def undisturbed(inputs, tmp_path_factory):
    """Digests of the result, and the number of updates."""
    run = Run(inputs, tmp_path_factory.mktemp("undisturbed"), SPEC)
    assert attempt(run, save_seconds=60) == 0, run.log
    return run.result(), run.updates


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of some KiB in the test's folder."""
    made = []

    def make(kib: int):
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
        made.append(folder)
        return folder

    if os.geteuid():
        pytest.fail("only root can mount a small disk: run these tests as root")
    yield make
    for folder in made:
        subprocess.run(["umount", folder], check=True)
