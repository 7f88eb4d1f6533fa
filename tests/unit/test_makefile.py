"""`make` hands on the names of studies, gates and its own folder as they are: no shell and no make reads them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SHOW = '#!/bin/sh\nprintf "%s\\n" "$@" >> told\n'


EVIL = [
    "a;touch PWNED;b.yaml",
    "$(touch PWNED)",
    "$(shell touch PWNED)",
    "`touch PWNED`",
    "it's 1.yaml",
    "'; touch PWNED; '",
]


@pytest.fixture
def folder(tmp_path):
    """A Makefile whose python writes down what it is told."""
    place = tmp_path / "mein Ordner ü $(touch PWNED)`touch PWNED`"
    (place / "bin").mkdir(parents=True)
    shutil.copy("Makefile", place)
    (place / "bin/python").write_text(SHOW)
    (place / "bin/python").chmod(0o755)
    return place


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    command = ["make", "BIN=bin", "READY=bin/python", "-o", "bin/python", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.mark.parametrize("target", ["study", "plan", "pending", "report", "clean"])
@pytest.mark.parametrize("name", ["laptop", *EVIL])
def test_a_name_is_a_word_whatever_it_holds(folder, target, name):
    assert make(folder, target, f"STUDY={name}").returncode == 0
    told = (folder / "told").read_text().splitlines()
    assert f"study={name}" in told or (target in ("plan", "pending", "clean") and name in told)
    assert not (folder / "PWNED").exists()


@pytest.mark.parametrize("name", ["erf", *EVIL])
def test_a_gate_is_named_by_its_user_and_read_by_no_shell(folder, name):
    assert make(folder, "check-gate", f"NAME={name}").returncode == 0
    assert (folder / "told").read_text().splitlines()[-1] == f'{{"gate": "{name}"}}'
    assert not (folder / "PWNED").exists()


def test_without_a_name_no_gate_is_checked(folder):
    assert make(folder, "check-gate", NAME="").returncode == 0
    assert '{"gate": ""}' in (folder / "told").read_text().splitlines()


def test_a_study_in_any_folder_has_its_report_named(folder):
    assert "The report: reports/probe/index.html" in make(folder, "study", "STUDY=meine Studien ü/probe.yaml").stdout
    assert "The report: reports/mine/index.html" in make(folder, "study", STUDY="mine").stdout
