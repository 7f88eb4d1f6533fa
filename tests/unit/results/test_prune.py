"""prune deletes what no job needs, reports the size, and touches nothing else."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.io.files import temporary
from smoothgates.ops.results import prune, removal
from smoothgates.ops.results.verify import verify
from smoothgates.ops.results.workdirs import QUIET

from .folders import RUN, SECOND, age, everything, work

DEAD = 2**22 + 1
"""Above the largest id of a process."""


def test_nothing_is_deleted_without_yes(made, capsys):
    work("gone", RUN / "model.json")
    before = everything()
    prune.run(made.study, checkpoints=True, foreign=True)
    out = capsys.readouterr().out
    assert "2.0 MB  work/gone: no unfinished run resumes from it" in out
    assert out.splitlines()[-1].startswith("would free 2.0 MB: --yes")
    assert everything() == before


def test_a_run_that_is_repeated_during_prune_keeps_its_new_checkpoints(made, monkeypatch, capsys):
    looked, again = prune.verify, made.job("train", "math/near/erf/seed0")

    def meanwhile(*arguments, **options):
        audit = looked(*arguments, **options)
        made.make(again)
        made.amend(again.records[0], dirty=True)
        return audit

    monkeypatch.setattr(prune, "verify", meanwhile)
    prune.run(made.study, yes=True, checkpoints=True)
    assert (RUN / "checkpoints/rollout0001/model.safetensors").exists()
    assert not (SECOND / "checkpoints/rollout0001").exists()
    assert "its run has been repeated meanwhile" in capsys.readouterr().out


def test_files_that_vanish_during_prune_are_no_fault(made, monkeypatch):
    """Here all files of the study vanish."""
    for path in (RUN / "stray", temporary(RUN / "model.json")):
        path.write_text("")
    work("0123456789abcdef", RUN / "model.json")
    looked = prune.verify

    def meanwhile(*arguments, **options):
        audit = looked(*arguments, **options)
        for folder in ("results", "reports", "work"):
            shutil.rmtree(folder, ignore_errors=True)
        return audit

    monkeypatch.setattr(prune, "verify", meanwhile)
    prune.run(made.study, yes=True, checkpoints=True, foreign=True)
    assert everything() == {Path("config/methods.yaml"), Path("config/smoke.yaml")}


def test_temporary_files_are_deleted_once_their_process_has_ended(made):
    """Those of this host after an hour, those of others after a day. Files with other names stay."""
    names = {
        f".model.json.{DEAD}@{platform.node()}.smoothgates": 2 * QUIET,
        f".new.json.{DEAD}@{platform.node()}.smoothgates": 0,
        f".model.json.{os.getpid()}@{platform.node()}.smoothgates": 48 * QUIET,
        ".model.json.1@elsewhere.smoothgates": 48 * QUIET,
        ".new.json.1@elsewhere.smoothgates": 2 * QUIET,
        ".notes.4711": 48 * QUIET,
        ".smoothgates": 48 * QUIET,
    }
    folder = Path(f"results/smoke/.index.{DEAD}@{platform.node()}.smoothgates")
    folder.mkdir()
    for name, seconds in names.items():
        (RUN / name).write_text("{")
        age(RUN / name, seconds=seconds)
    (folder / "part").write_text("{")
    age(folder / "part", folder)
    prune.run(made.study, yes=True)
    assert [(RUN / name).exists() for name in names] == [False, True, True, False, True, True, True]
    assert not folder.exists()


def test_foreign_files_are_deleted_only_with_the_option(made):
    stray = Path("results/smoke/notes.txt")
    stray.write_text("mine")
    prune.run(made.study, yes=True)
    assert stray.exists()
    prune.run(made.study, yes=True, foreign=True)
    assert not stray.exists()
    assert verify(made.study).findings == []


def test_a_result_without_a_record_is_not_deleted_as_foreign(made):
    (RUN / "run.json").unlink()
    before = everything()
    prune.run(made.study, yes=True, foreign=True)
    assert everything() == before


def test_pruned_checkpoints_are_not_reported_as_missing(made):
    before = everything()
    prune.run(made.study, yes=True, checkpoints=True)
    gone, new = before - everything(), everything() - before
    assert {path.parent.name for path in gone} == {"rollout0001"}
    assert len(gone) == len(new) == 6
    assert {path.name for path in new} == {"pruned.json"}
    audit = verify(made.study)
    assert audit.findings == []
    assert list(audit.notes.values()) == [6]
    prune.run(made.study, yes=True, checkpoints=True)
    assert verify(made.study).findings == []


@pytest.mark.parametrize("spoil", ["heldout.json", "heldout.run.json", "samples.parquet/heldout.parquet"])
def test_checkpoints_stay_unless_their_scores_are_current(spoil, made):
    (Path("results/smoke/evaluate/math/near/erf/seed1") / spoil).unlink()
    prune.run(made.study, yes=True, checkpoints=True)
    assert (RUN / "checkpoints/rollout0001/model.safetensors").exists()
    assert not Path("results/smoke/train/math/near/grpo/seed0/checkpoints/rollout0001").exists()


def test_damage_beside_pruned_checkpoints_is_still_found(made):
    prune.run(made.study, yes=True, checkpoints=True)
    (RUN / "weights/model.safetensors").write_bytes(b"")
    assert [finding.path for finding in verify(made.study).findings] == [str(RUN / "weights/model.safetensors")]


def test_links_are_not_followed(made, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(work("0123456789abcdef", RUN / "model.json"), elsewhere)
    for link in (Path("results/smoke/link"), Path("work/0123456789abcdef")):
        link.symlink_to(elsewhere / "0123456789abcdef")
        age(link)
    prune.run(made.study, yes=True, foreign=True)
    assert not Path("results/smoke/link").is_symlink()
    assert Path("work/0123456789abcdef/checkpoints/model.safetensors").exists()


def test_what_git_keeps_stays(made):
    """This happens if a study has the name of a folder of released reports."""
    strays = [Path("reports/smoke/kept.md"), Path("reports/smoke/stray.md")]
    for path in strays:
        path.write_text("")
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "add", strays[0]], check=True)
    prune.run(made.study, yes=True, foreign=True)
    assert [path.exists() for path in strays] == [True, False]


def test_results_on_another_disk_are_pruned_too(made, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk") / "results"
    shutil.move("results", disk)
    Path("results").symlink_to(disk)
    prune.run(made.study, yes=True, checkpoints=True)
    assert not (RUN / "checkpoints/rollout0001").exists()


def test_nothing_behind_a_link_is_deleted(made, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk") / "erf"
    shutil.move(RUN.parent, disk)
    RUN.parent.symlink_to(disk)
    before = everything()
    with pytest.raises(BadInput, match="behind a link"):
        prune.run(made.study, yes=True, checkpoints=True)
    assert everything() == before
    assert (disk / "seed0/checkpoints/rollout0001/model.safetensors").exists()


@pytest.mark.parametrize("path", ["results", "config/smoke.yaml", "results/../config/smoke.yaml", "/etc/hostname"])
def test_paths_outside_the_study_are_refused(path, made):
    before = everything()
    with pytest.raises(BadInput, match="outside"):
        removal.remove([removal.removal(Path(path), "")], [Path("results"), Path("reports"), Path("work")])
    assert everything() == before
