"""prune frees what nobody needs, says how much, and touches nothing else."""

import os
import shutil
import time
from pathlib import Path

import pytest

from smoothgates.custody import prune
from smoothgates.custody.verify import verify
from smoothgates.errors import BadInput

RUN = Path("results/smoke/train/math/near/erf/seed0")
OLD = time.time() - 2 * prune.QUIET
START = [("warm_start", f"{task}/control/warm_start/seed{seed}") for task in ("math", "toolqa") for seed in (0, 1)]


def work(name: str, age: float = 2 * prune.QUIET) -> Path:
    """A work directory in which nothing has changed for some seconds."""
    file = Path("work") / name / "checkpoint/model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(2_000_000))
    for path in (file, file.parent, file.parent.parent):
        os.utime(path, (time.time() - age,) * 2)
    return file.parent.parent


def work_of(made, seed: int) -> str:
    return prune.work_of(made.study, made.job("train", f"math/near/erf/seed{seed}"))


def everything():
    return {path for path in Path().rglob("*") if path.is_file()}


def test_nothing_goes_unless_told_to(made, capsys):
    work("gone")
    before = everything()
    prune.run(made.study, checkpoints=True, foreign=True)
    out = capsys.readouterr().out
    assert "2.0 MB  work/gone: no unfinished job goes on from it" in out
    assert out.splitlines()[-1].startswith("would free 2.0 MB: --yes")
    assert everything() == before


def test_work_of_an_unfinished_run_stays(made, capsys):
    (RUN / "model.json").unlink()
    (RUN / "metrics.parquet").unlink()
    needed, finished = work(work_of(made, 0)), work(work_of(made, 1))
    prune.run(made.study, yes=True)
    assert needed.exists()
    assert not finished.exists()
    assert capsys.readouterr().out.endswith("freed 2.0 MB\n")


def test_work_of_an_unfinished_run_of_another_study_stays(made):
    shutil.copy("config/smoke.yaml", "config/other.yaml")
    made.name = "other"
    for rule, name in (("prepare", "math"), ("prepare", "toolqa"), *START):
        made.make(made.job(rule, name))
    needed = work(work_of(made, 0))
    made.name = "smoke"
    prune.run(made.study, yes=True)
    assert needed.exists()
    shutil.rmtree("results/other")
    prune.run(made.study, yes=True)
    assert not needed.exists()


def test_work_that_somebody_is_at_stays(made):
    """A trainer renews its lease every few seconds, wherever it runs."""
    busy = work("gone")
    (busy / "lease.json").write_text("{}")
    prune.run(made.study, yes=True)
    assert busy.exists()


def test_work_stays_while_nobody_can_tell_whose_it_is(made, capsys):
    """Its name depends on data that will be made again, to the same bytes or not."""
    shutil.rmtree("results/smoke/data/math")
    (RUN / "model.json").unlink()
    (RUN / "metrics.parquet").unlink()
    unknown = work("gone")
    prune.run(made.study, yes=True)
    assert unknown.exists()
    assert "work is left alone" in capsys.readouterr().out


def test_temporary_files_go_when_they_are_old(made):
    old, new = RUN / ".model.json.4711", RUN / ".model.json.4712"
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (OLD, OLD))
    prune.run(made.study, yes=True)
    assert (old.exists(), new.exists()) == (False, True)


def test_foreign_files_go_only_when_asked(made):
    stray = Path("results/smoke/notes.txt")
    stray.write_text("mine")
    prune.run(made.study, yes=True)
    assert stray.exists()
    prune.run(made.study, yes=True, foreign=True)
    assert not stray.exists()
    assert verify(made.study).findings == []


def test_a_result_without_a_record_is_not_taken_for_a_foreign_file(made):
    (RUN / "run.json").unlink()
    before = everything()
    prune.run(made.study, yes=True, foreign=True)
    assert everything() == before


def test_checkpoints_go_and_are_not_missed(made):
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
def test_checkpoints_stay_where_scores_are_not_right(spoil, made):
    (Path("results/smoke/evaluate/math/near/erf/seed1") / spoil).unlink()
    prune.run(made.study, yes=True, checkpoints=True)
    assert (RUN / "checkpoints/rollout0001/model.safetensors").exists()
    assert not Path("results/smoke/train/math/near/grpo/seed0/checkpoints/rollout0001").exists()


def test_damage_beside_pruned_checkpoints_is_still_found(made):
    prune.run(made.study, yes=True, checkpoints=True)
    (RUN / "weights/model.safetensors").write_bytes(b"")
    assert [finding.path for finding in verify(made.study).findings] == [str(RUN / "weights/model.safetensors")]


def test_a_link_goes_and_what_it_leads_to_stays(made, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_text("")
    for link in (Path("results/smoke/link"), Path("work/link")):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(elsewhere)
        os.utime(link, (OLD, OLD), follow_symlinks=False)
    prune.run(made.study, yes=True, foreign=True)
    assert not Path("results/smoke/link").is_symlink()
    assert not Path("work/link").is_symlink()
    assert (elsewhere / "precious").exists()


def test_results_on_another_disk_are_pruned_too(made, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk") / "results"
    shutil.move("results", disk)
    Path("results").symlink_to(disk)
    prune.run(made.study, yes=True, checkpoints=True)
    assert not (RUN / "checkpoints/rollout0001").exists()


def test_nothing_behind_a_link_is_removed(made, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk") / "erf"
    shutil.move(RUN.parent, disk)
    RUN.parent.symlink_to(disk)
    before = everything()
    with pytest.raises(BadInput, match="behind a link"):
        prune.run(made.study, yes=True, checkpoints=True)
    assert everything() == before
    assert (disk / "seed0/checkpoints/rollout0001/model.safetensors").exists()


@pytest.mark.parametrize("path", ["results", "config/smoke.yaml", "results/../config/smoke.yaml", "/etc/hostname"])
def test_what_is_elsewhere_is_refused(path, made):
    before = everything()
    with pytest.raises(BadInput, match="outside"):
        prune.remove([prune.Removal(Path(path), "", 0)], [Path("results"), Path("reports"), Path("work")])
    assert everything() == before
