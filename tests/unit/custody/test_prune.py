"""prune frees what nobody needs, says how much, and touches nothing else."""

import itertools
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from smoothgates.custody import prune, removal
from smoothgates.custody import work as work_directories
from smoothgates.custody.verify import verify
from smoothgates.custody.work import QUIET, Needs, discard, look, look_around, unneeded, work_of
from smoothgates.errors import BadInput
from smoothgates.files import temporary
from smoothgates.train.lease import Lease
from smoothgates.train.mark import mark, marked_for
from smoothgates.train.work import Work, empty

RUN = Path("results/smoke/train/math/near/erf/seed0")
SECOND = RUN.with_name("seed1")
DEAD = 2**22 + 1
"""Above the largest id of a process."""


def age(*paths: Path, seconds: float = 2 * QUIET) -> None:
    """As if nothing had changed for so long."""
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2, follow_symlinks=False)


def work(name: str, *results: str | Path) -> Path:
    """A work directory for these results, in which nothing has changed for a while."""
    folder = Path("work") / name
    file = folder / "checkpoints/model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(2_000_000))
    for result in results:
        mark(folder, Path(result))
    age(file, *folder.iterdir(), folder)
    return folder


def name_of(made, seed: int) -> str:
    return work_of(made.study, made.job("train", f"math/near/erf/seed{seed}"))


def everything():
    return {path for path in Path().rglob("*") if path.is_file()}


def unfinish(run: Path = RUN) -> None:
    (run / "model.json").unlink()
    (run / "metrics.parquet").unlink()


def die_at_work(folder: Path, host: str) -> None:
    """A trainer on that host is killed there."""
    if (child := os.fork()) == 0:
        platform.node = lambda: host
        Lease(folder, 0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_nothing_goes_unless_told_to(made, capsys):
    work("gone", RUN / "model.json")
    before = everything()
    prune.run(made.study, checkpoints=True, foreign=True)
    out = capsys.readouterr().out
    assert "2.0 MB  work/gone: no unfinished run goes on from it" in out
    assert out.splitlines()[-1].startswith("would free 2.0 MB: --yes")
    assert everything() == before


def test_work_of_an_unfinished_run_stays(made, capsys):
    unfinish()
    needed, finished = work(name_of(made, 0), RUN / "model.json"), work(name_of(made, 1), SECOND / "model.json")
    prune.run(made.study, yes=True)
    assert needed.exists()
    assert not finished.exists()
    assert capsys.readouterr().out.endswith("freed 2.0 MB\n")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("results/other/train/math/near/erf/seed0/model.json", "for the study other: prune that"),
        ("/elsewhere/results/smoke/train/math/near/erf/seed0/model.json", "is not of this checkout"),
        ("../results/smoke/train/math/near/erf/seed0/model.json", "is not of this checkout"),
        ("by/hand/model.json", "is not of this checkout"),
    ],
)
@pytest.mark.parametrize("ours", [(), (RUN / "model.json",)])
def test_work_of_anybody_else_stays_and_is_told(result, said, ours, made, capsys):
    """Wherever their study's file is, and also where this study has a part in it."""
    foreign = work("0123456789abcdef", result, *ours)
    prune.run(made.study, yes=True)
    assert foreign.exists()
    assert said in capsys.readouterr().out


def test_a_folder_that_was_not_made_by_a_trainer_stays(made, capsys):
    """Also one that is no folder of work directories at all, and a copy that somebody made of one."""
    made_by_us = work("0123456789abcdef", RUN / "model.json")
    shutil.copytree(made_by_us, "work/backup")
    damaged = work("fedcba9876543210", RUN / "model.json")
    (damaged / "mark.json").write_bytes((damaged / "mark.json").read_bytes().replace(b"seed0", b"seed1"))
    work("old")
    before = everything()
    prune.run(made.study, yes=True)
    assert before - everything() == {path for path in before if made_by_us in path.parents}
    out = capsys.readouterr().out
    assert [f"left  work/{name}: no mark of ours" in out for name in ("backup", "fedcba9876543210", "old")] == [
        True
    ] * 3
    before = everything()
    prune.run(made.study, yes=True, work=Path())
    assert everything() == before
    assert "left  config: no mark of ours" in capsys.readouterr().out


def test_work_of_a_checkout_that_has_moved_is_its_own(made, tmp_path, monkeypatch):
    folder = work("0123456789abcdef", RUN / "model.json")
    shutil.copytree(tmp_path, tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    prune.run(made.study, yes=True)
    assert not folder.exists()
    assert (tmp_path / folder).exists()


def test_work_stays_while_nobody_can_tell_which_run_goes_on_from_it(made, capsys):
    """Its name depends on data that will be made again, to the same bytes or not."""
    shutil.rmtree("results/smoke/data/math")
    unfinish()
    unknown, other = work("0123456789abcdef", RUN / "model.json"), work("fedcba9876543210", "results/smoke/gone.json")
    prune.run(made.study, yes=True)
    assert unknown.exists()
    assert not other.exists()
    assert "can be told when results/smoke/data/math/manifest.json is made" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["holder", "elsewhere", "nonsense"])
def test_work_that_somebody_is_at_stays(kind, made, capsys):
    """A trainer renews its lease every few seconds, wherever it runs."""
    busy = work("0123456789abcdef", RUN / "model.json")
    holder = Lease(busy, 0) if kind == "holder" else None
    if kind == "elsewhere":
        die_at_work(busy, "elsewhere")
    elif kind == "nonsense":
        (busy / "lease.json").write_text("{}")
    prune.run(made.study, yes=True)
    assert (busy / "checkpoints/model.safetensors").exists()
    assert "is at work there" in capsys.readouterr().out
    if holder:
        holder.check()
        holder.release()


@pytest.mark.parametrize("host", [platform.node(), "elsewhere"])
def test_work_of_the_dead_goes(host, made):
    """At once where their host is ours, and else when nothing has changed for a while."""
    dead = work("0123456789abcdef", RUN / "model.json")
    die_at_work(dead, host)
    if host == "elsewhere":
        age(dead / "lease.json", dead)
    prune.run(made.study, yes=True)
    assert list(Path("work").iterdir()) == []


def test_a_prune_that_is_killed_at_any_moment_leaves_what_the_next_one_removes(made):
    """To the last, what is left says what it is for."""
    audit = prune.verify(made.study, thorough=False)
    moment, ended = 0, False
    while not ended:
        moment += 1
        folder = work("0123456789abcdef", RUN / "model.json")
        ended = killed_at(moment, partial(discard, look(folder))) == 0
        for each in unneeded(look_around(Path("work")), Needs(made.study, audit)):
            each.act()
        assert list(Path("work").iterdir()) == []
    assert moment > 6


def killed_at(moment: int, act) -> int:
    """Exit code of a process that does this and is killed before it deletes, links or renames for the n-th time."""
    if (child := os.fork()) == 0:
        made = itertools.count(1)

        def hook(event, _):
            if event in ("os.remove", "os.rmdir", "os.rename", "os.link") and next(made) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("act", ["start", "work and stop", "finish"])
def test_what_a_trainer_does_while_prune_looks_is_not_lost(act, made, monkeypatch, capsys):
    folder = work("0123456789abcdef", RUN / "model.json")
    looked, held = prune.verify, []

    def meanwhile(*arguments, **options):
        audit = looked(*arguments, **options)
        trainer = Work(folder, RUN / "model.json", wait=0)
        trainer.starts_from(0)
        if act == "start":
            held.append(trainer)
            return audit
        if act == "finish":
            trainer.retire(1)
        trainer.__exit__(None, None, None)
        return audit

    monkeypatch.setattr(prune, "verify", meanwhile)
    prune.run(made.study, yes=True)
    assert f"left  {folder}: " in capsys.readouterr().out
    assert folder.exists() == (act != "finish")
    for trainer in held:
        trainer.lease.check()
        trainer.__exit__(None, None, None)


def test_a_trainer_that_comes_while_its_directory_goes_waits_and_makes_it_anew(made, monkeypatch):
    folder, children = work("0123456789abcdef", RUN / "model.json"), []

    def meanwhile(emptied):
        if (child := os.fork()) == 0:
            sys.stderr = os.fdopen(told, "w")  # the trainer says that it waits
            trainer = Work(emptied, RUN / "model.json", wait=60)
            trainer.starts_from(0)
            os._exit(0 if trainer.lease.waited and not trainer.earlier else 1)
        children.append(child)
        os.close(told)
        os.read(waits, 1)
        empty(emptied)

    waits, told = os.pipe()
    monkeypatch.setattr(work_directories, "empty", meanwhile)
    prune.run(made.study, yes=True)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert marked_for(folder) == {(RUN / "model.json").absolute()}


def test_a_run_that_is_made_again_while_prune_looks_keeps_its_new_checkpoints(made, monkeypatch, capsys):
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
    assert "its run has been made again meanwhile" in capsys.readouterr().out


def test_files_that_vanish_while_prune_looks_are_no_fault(made, monkeypatch):
    """Everything of the study goes, at whatever moment."""
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


def test_temporary_files_go_when_their_process_is_gone(made):
    """Those of this host after an hour, those of others after a day; a file of anybody else's never."""
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
    """As where a study has the name of a folder of released reports."""
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
        removal.remove([removal.removal(Path(path), "")], [Path("results"), Path("reports"), Path("work")])
    assert everything() == before
