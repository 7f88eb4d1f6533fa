"""`make` hands on the names of studies, gates and its own folder as they are: no shell and no make reads them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOW = '#!/bin/sh\nprintf "%s\\n" "$@" >> told\n'
OUTSIDE = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
"""The environment as if no make had started the tests: a make inside another prints more lines."""


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
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=OUTSIDE | environment)


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


RUNS, FAILS = '#!/bin/sh\necho "${0##*/}"\n', "#!/bin/sh\nexit 127\n"
"""An interpreter that runs, and one that is on PATH and does not, as pyenv's are."""


def interpreters(folder: Path, **found: str) -> Path:
    """A folder for PATH with these interpreters, and little else: {"python3.11": text of a script}."""
    folder.mkdir()
    for name in ("grep", "sh", "sort"):
        (folder / name).symlink_to(shutil.which(name))
    for name, text in found.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def make_with(path: Path, *words: str) -> subprocess.CompletedProcess:
    """`make` with this PATH, in the folder above it."""
    for name in ("Makefile", "pyproject.toml", "envs"):
        (path.parent / name).symlink_to(ROOT / name)
    env = {name: value for name, value in OUTSIDE.items() if name != "PYTHON"} | {"PATH": str(path)}
    command = [shutil.which("make"), *words]
    return subprocess.run(command, cwd=path.parent, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("found", "taken"),
    [
        ({"python3.11": RUNS, "python3.12": RUNS, "python3.13": RUNS}, "python3.11"),
        ({"python3.11": FAILS, "python3.12": RUNS, "python3.13": RUNS}, "python3.13"),
        ({"python3.12": RUNS, "python3.13": FAILS}, "python3.12"),
        ({"python3.14": RUNS, "python3": RUNS}, "python3"),
    ],
)
def test_the_environment_is_built_with_3_11_or_else_the_newest_that_runs(found, taken, tmp_path):
    done = make_with(interpreters(tmp_path / "bin", **found), "--dry-run", ".venv/.ready")
    assert f"{taken} -m venv .venv\n" in done.stdout


def test_the_user_names_another_interpreter(tmp_path):
    path = interpreters(tmp_path / "bin", **{"python3.11": RUNS})
    done = make_with(path, "--dry-run", "PYTHON=/opt/my/python", ".venv/.ready")
    assert "/opt/my/python -m venv .venv\n" in done.stdout


@pytest.mark.parametrize("version", ["3.10", "3.14", "2.7"])
def test_an_unsupported_python_gets_one_line_and_no_environment(version, tmp_path):
    path = interpreters(tmp_path / "bin", python3=f"#!/bin/sh\necho {version}\n")
    done = make_with(path, ".venv/.ready")
    line = f"PYTHON=python3 is {version}, expected one of 3.11 3.12 3.13: make PYTHON=/path/to/python"
    assert [text for text in done.stderr.splitlines() if not text.startswith("make: ***")] == [line]
    assert done.returncode == 2
    assert not (tmp_path / ".venv").exists()


def test_no_python_at_all_gets_the_same_line(tmp_path):
    done = make_with(interpreters(tmp_path / "bin"), ".venv/.ready")
    assert "PYTHON=python3 is missing, expected one of 3.11 3.12 3.13: make PYTHON=/path/to/python\n" in done.stderr


@pytest.mark.parametrize(
    ("others", "tested"),
    [
        ({"python3.12": RUNS, "python3.13": RUNS}, ["3.13", "3.12"]),
        ({"python3.12": RUNS, "python3.13": FAILS}, ["3.12"]),
    ],
)
def test_every_other_python_that_runs_is_tested_without_torch(others, tested, tmp_path):
    own = "#!/bin/sh\necho python3.11\n"
    path = interpreters(tmp_path / "bin", **others, **{"python3.11": RUNS, "python": own})
    done = make_with(path, "--dry-run", "test-pythons", "BIN=bin", "READY=bin/python")
    assert re.findall(r"python(\S+)/bin/python -m pytest .*-p tests.without_torch", done.stdout) == tested
    assert f"Run without torch: {' '.join(f'python{version}' for version in tested)}" in done.stdout


def test_where_there_is_no_other_python_the_run_says_so(tmp_path):
    path = interpreters(tmp_path / "bin", **{"python3.11": RUNS, "python": "#!/bin/sh\necho python3.11\n"})
    done = make_with(path, "test-pythons", "BIN=bin", "READY=bin/python")
    assert done.stdout.splitlines()[-1] == "Run without torch: nothing: no other supported Python is found"
