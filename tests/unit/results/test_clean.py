"""clean deletes all files of one study, and nothing else."""

import platform
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import write_json
from smoothgates.jobs.snakemake.exclusive import alone
from smoothgates.ops.controller_lock import ControllerLock
from smoothgates.ops.results import clean
from smoothgates.study import ownership as namesake
from smoothgates.train.run.lease import Lease
from smoothgates.train.run.mark import add_mark

ROOTS = [Path("results/smoke"), Path("logs/smoke"), Path("reports/smoke")]


@pytest.fixture
def two_studies(made):
    """A study with logs, and another one beside it."""
    for path in (Path("logs/smoke/train/a.log"), Path("results/other/file"), Path("logs/other.log")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return made


def rest():
    others = {path for path in Path().rglob("*") if not any(root in (path, *path.parents) for root in ROOTS)}
    return {path for path in others if path.parts[0] != ".snakemake"}


@pytest.mark.parametrize("study", ["smoke", "config/smoke.yaml"])
def test_all_files_of_a_study_are_deleted_and_no_others(study, two_studies, capsys):
    before = rest()
    clean.run(study)
    assert all(root.exists() for root in ROOTS)
    assert capsys.readouterr().out.splitlines()[-1].startswith("would free ")
    clean.run(study, yes=True)
    assert not any(root.exists() for root in ROOTS)
    assert rest() == before
    out = capsys.readouterr().out
    assert all(f"  {root}\n" in out for root in ROOTS)
    clean.run(study, yes=True)
    assert capsys.readouterr().out == "nothing to free: smoke has no files here\n"


@pytest.mark.parametrize("study", ["", " ", ".", "..", "other", "results/other", "config/other.yaml", "/"])
def test_a_name_without_a_study_is_refused(study, two_studies):
    """Even if a folder of results has this name."""
    with pytest.raises(BadInput, match="expected a"):
        clean.run(study, yes=True)
    assert Path("results/other/file").exists()


def test_a_study_with_an_invalid_file_is_cleaned_too(two_studies):
    Path("config/smoke.yaml").write_text("{")
    clean.run("smoke", yes=True)
    assert not ROOTS[0].exists()


def test_results_of_another_study_of_the_same_name_stay(two_studies):
    """Their own file may be invalid: the owner is known all the same."""
    other = Path("elsewhere/smoke.yaml")
    other.parent.mkdir()
    other.write_text("seeds: [0]\n")
    with pytest.raises(BadInput, match=r"^elsewhere/smoke.yaml: results/smoke belongs to config/smoke.yaml"):
        clean.run(str(other), yes=True)
    Path("config/smoke.yaml").rename("elsewhere/mine.yaml")
    write_json(ROOTS[0] / "study.json", {"schema": namesake.SCHEMA, "schema_version": 1, "file": "elsewhere/mine.yaml"})
    with pytest.raises(BadInput, match=r"^elsewhere/smoke.yaml: results/smoke belongs to elsewhere/mine.yaml"):
        clean.run(str(other), yes=True)
    assert all(root.exists() for root in ROOTS)


def test_what_git_keeps_stays(two_studies, capsys):
    kept, stray = Path("reports/smoke/deep/kept.md"), Path("reports/smoke/deep/stray.md")
    kept.parent.mkdir()
    for path in (kept, stray):
        path.write_text("")
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "add", kept], check=True)
    clean.run("smoke", yes=True)
    assert [path for path in Path("reports/smoke").rglob("*") if path.is_file()] == [kept]
    assert not ROOTS[0].exists()
    assert "left  reports/smoke: files that git tracks" in capsys.readouterr().out


def test_links_are_deleted_and_their_targets_stay(two_studies, tmp_path_factory, capsys):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_text("")
    shutil.rmtree("results/smoke")
    for link in (Path("results/smoke"), Path("logs/smoke/link")):
        link.symlink_to(elsewhere)
    clean.run("smoke", yes=True)
    assert (elsewhere / "precious").exists()
    assert not Path("results/smoke").is_symlink()
    assert "results/smoke (a link: its target stays)" in capsys.readouterr().out


@pytest.mark.parametrize("who", ["trainer", "snakemake", "controller"])
def test_a_study_that_is_running_is_refused(who, two_studies):
    folder = Path("work/0123456789abcdef")
    if who == "trainer":
        at = Lease(folder, 0)
        add_mark(folder, Path("results/smoke/train/math/near/erf/seed0/model.json"))
    elif who == "snakemake":
        at = ExitStack()
        at.enter_context(alone("smoke"))
    else:
        at = ControllerLock("smoke")
    with pytest.raises((TryAgain, BadInput), match=f"process .* on {platform.node()}|its controller is running"):
        clean.run("smoke", yes=True)
    assert all(root.exists() for root in ROOTS)
    at.close() if who == "snakemake" else at.release()
    clean.run("smoke", yes=True)
    assert not any(root.exists() for root in ROOTS)
