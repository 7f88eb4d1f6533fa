"""The tests that need no torch run without it; the plugin that leaves out the others hides no failure, and says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDS = "import torch\ndef test_a(): pass"
COMES_TO_NEED = "def test_b(): import torch\ndef test_c(): pass"
NEEDS_NONE = "def test_d(): pass"
FAILS = "def test_e(): raise ModuleNotFoundError(\"No module named 'torchvision'\")"


@pytest.fixture
def run(tmp_path):
    """Runs test files with the plugin in an interpreter that finds the packages of this one, but no torch."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(pytest.__file__).parents[1].iterdir():
        if not entry.name.startswith("torch"):
            (packages / entry.name).symlink_to(entry)

    def run(*files):
        (tmp_path / "tests").mkdir()
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
        for number, text in enumerate(files):
            (tmp_path / f"tests/test_{number}.py").write_text(text)
        command = [sys.executable, "-S", "-m", "pytest", "-p", "tests.without_torch", "tests"]
        env = {"PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    return run


def test_what_needs_torch_is_left_out_and_named(run):
    done = run(NEEDS, COMES_TO_NEED, NEEDS_NONE)
    assert done.returncode == 0
    assert "2 tests and doctests ran. Left out, as they need torch:" in done.stdout
    assert "  tests/test_0.py: all\n  tests/test_1.py: 1 of 2 tests\n" in done.stdout


def test_any_other_failure_fails(run):
    done = run(NEEDS, COMES_TO_NEED, FAILS)
    assert done.returncode == 1
    assert "1 failed" in done.stdout


def test_a_run_that_leaves_out_most_files_fails(run):
    done = run(NEEDS, NEEDS, NEEDS_NONE)
    assert done.returncode == 1
    assert "more test files were left out than ran" in done.stdout


@pytest.mark.usefixtures("with_torch")
def test_where_torch_is_no_test_is_left_out():
    command = [sys.executable, "-m", "pytest", "-p", "tests.without_torch", "tests/unit/test_makefile.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "torch is installed here: no test may be left out" in done.stderr
    assert done.returncode != 0
