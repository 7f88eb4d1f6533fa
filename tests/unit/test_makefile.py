"""`make study` hands a study's name to Snakemake as it was given: no shell and no make reads it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SHOW = '#!/bin/sh\nprintf "%s\\n" "$@" >> told\n'


@pytest.fixture
def folder(tmp_path):
    """A Makefile whose python writes down what it is told."""
    place = tmp_path / "mein Ordner ü"
    (place / "bin").mkdir(parents=True)
    shutil.copy("Makefile", place)
    (place / "bin/python").write_text(SHOW)
    (place / "bin/python").chmod(0o755)
    return place


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    command = ["make", "BIN=bin", "READY=bin/python", "-o", "bin/python", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.mark.parametrize("target", ["study", "plan", "pending", "report"])
@pytest.mark.parametrize("name", ["laptop", "a;touch PWNED;b.yaml", "$(touch PWNED)", "`touch PWNED`", "it's 1.yaml"])
def test_a_name_is_a_word_whatever_it_holds(folder, target, name):
    assert make(folder, target, f"STUDY={name}").returncode == 0
    told = (folder / "told").read_text().splitlines()
    assert f"study={name}" in told or (target == "plan" and told[-1] == name)
    assert not (folder / "PWNED").exists()


def test_a_study_in_any_folder_has_its_report_named(folder):
    assert "The report: reports/probe/index.html" in make(folder, "study", "STUDY=meine Studien ü/probe.yaml").stdout
    assert "The report: reports/mine/index.html" in make(folder, "study", STUDY="mine").stdout


@pytest.mark.parametrize("name", ["", "..", "/", "a/..", "*"])
def test_clean_removes_a_study_and_nothing_else(folder, name):
    for study in ("mine", "other"):
        (folder / "results" / study).mkdir(parents=True)
    assert make(folder, "clean", f"STUDY={name}").returncode == 2
    assert make(folder, "clean", "STUDY=x y/mine.yaml").returncode == 0
    assert [path.name for path in (folder / "results").iterdir()] == ["other"]
