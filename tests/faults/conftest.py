"""A training run to be disturbed, and the same run left in peace."""

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
    """Digests of the result, and the updates that it takes."""
    run = Run(inputs, tmp_path_factory.mktemp("undisturbed"), SPEC)
    assert attempt(run, save_seconds=60) == 0, run.log
    return run.result(), run.updates


@pytest.fixture
def small_disk(tmp_path):
    """Makes a file system of some KiB below the test's folder."""
    made = []

    def make(kib: int):
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
        made.append(folder)
        return folder

    if os.geteuid():
        pytest.fail("a small disk can be mounted by root only: run these tests as root")
    yield make
    for folder in made:
        subprocess.run(["umount", folder], check=True)
