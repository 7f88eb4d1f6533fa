"""prune deletes a work directory only if its mark names this study, and no run resumes from it."""

import itertools
import json
import os
import platform
import shutil
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from smoothgates.ops.results import prune
from smoothgates.ops.results import workdirs as work_directories
from smoothgates.ops.results.workdirs import Needs, discard, look, look_around, unneeded, work_of
from smoothgates.train.run.lease import Lease
from smoothgates.train.run.mark import marked_results
from smoothgates.train.run.workdir import WorkDir, empty_workdir

from .folders import RUN, SECOND, age, everything, work


def name_of(made, seed: int) -> str:
    return work_of(made.study, made.job("train", f"math/near/erf/seed{seed}"))


def test_the_name_of_a_work_directory_depends_on_its_named_inputs_not_their_order(made):
    """Trainer and prune name it by one function: a name of prune's own would make live checkpoints look unneeded."""
    job = made.job("train", "math/near/erf/seed0")
    turned = replace(job, inputs=dict(reversed(job.inputs.items())))
    assert work_of(made.study, turned) == work_of(made.study, job)
    swapped = replace(job, inputs={**job.inputs, "data": job.inputs["policy"], "policy": job.inputs["data"]})
    assert work_of(made.study, swapped) != work_of(made.study, job)


def unfinish(run: Path = RUN) -> None:
    (run / "model.json").unlink()
    (run / "metrics.parquet").unlink()


def die_at_work(folder: Path, host: str) -> None:
    """Kill a trainer on this host while it holds the lease of a folder."""
    if (child := os.fork()) == 0:
        platform.node = lambda: host
        Lease(folder, 0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_work_of_an_unfinished_run_stays(made, capsys):
    unfinish()
    needed, finished = work(name_of(made, 0), RUN / "model.json"), work(name_of(made, 1), SECOND / "model.json")
    prune.run(made.study, yes=True)
    assert needed.exists()
    assert not finished.exists()
    out = capsys.readouterr().out
    assert f"left  {needed}: an unfinished run resumes from it\n" in out
    assert out.endswith("freed 2.0 MB\n")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("results/other/train/math/near/erf/seed0/model.json", "for the study other: prune that study"),
        ("/elsewhere/results/smoke/train/math/near/erf/seed0/model.json", "is outside of this checkout"),
        ("../results/smoke/train/math/near/erf/seed0/model.json", "is outside of this checkout"),
        ("by/hand/model.json", "is outside of this checkout"),
    ],
)
@pytest.mark.parametrize("ours", [(), (RUN / "model.json",)])
def test_work_directories_of_others_stay_and_are_reported(result, message, ours, made, capsys):
    """Wherever the file of the other study is, and also if this study uses the directory too."""
    foreign = work("0123456789abcdef", result, *ours)
    prune.run(made.study, yes=True)
    assert foreign.exists()
    assert message in capsys.readouterr().out


def test_folders_that_no_trainer_made_stay(made, capsys):
    """This includes a copy of a work directory, and a folder that is no folder of work directories at all."""
    made_by_us = work("0123456789abcdef", RUN / "model.json")
    shutil.copytree(made_by_us, "work/backup")
    damaged = work("fedcba9876543210", RUN / "model.json")
    (damaged / "mark.json").write_bytes((damaged / "mark.json").read_bytes().replace(b"seed0", b"seed1"))
    work("old")
    before = everything()
    prune.run(made.study, yes=True)
    assert before - everything() == {path for path in before if made_by_us in path.parents}
    out = capsys.readouterr().out
    assert [
        f"left  work/{name}: it has no mark that says" in out for name in ("backup", "fedcba9876543210", "old")
    ] == [True] * 3
    before = everything()
    prune.run(made.study, yes=True, work=Path())
    assert everything() == before
    assert "left  config: it has no mark that says" in capsys.readouterr().out


def test_a_moved_checkout_owns_its_work_directories(made, tmp_path, monkeypatch):
    folder = work("0123456789abcdef", RUN / "model.json")
    shutil.copytree(tmp_path, tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    prune.run(made.study, yes=True)
    assert not folder.exists()
    assert (tmp_path / folder).exists()


def test_work_stays_while_it_is_unknown_which_run_resumes_from_it(made, capsys):
    """Its name depends on data that will be made again, to the same bytes or not."""
    shutil.rmtree("results/smoke/data/math")
    unfinish()
    unknown, other = work("0123456789abcdef", RUN / "model.json"), work("fedcba9876543210", "results/smoke/gone.json")
    prune.run(made.study, yes=True)
    assert unknown.exists()
    assert not other.exists()
    assert "which is not known before results/smoke/data/math/manifest.json is made" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["holder", "elsewhere", "nonsense"])
def test_work_in_use_stays(kind, made, capsys):
    """A trainer renews its lease every few seconds, wherever it runs."""
    busy = work("0123456789abcdef", RUN / "model.json")
    holder = Lease(busy, 0) if kind == "holder" else None
    if kind == "elsewhere":
        die_at_work(busy, "elsewhere")
    elif kind == "nonsense":
        (busy / "lease.json").write_text("{}")
    prune.run(made.study, yes=True)
    assert (busy / "checkpoints/model.safetensors").exists()
    assert "works there" in capsys.readouterr().out
    if holder:
        holder.check()
        holder.release()


def test_work_of_a_suspended_trainer_stays(made):
    """It does not renew its lease, for any length of time, and may still continue."""
    folder = work("0123456789abcdef", RUN / "model.json")
    with Lease(folder, 0) as holder:
        age(folder / "lease.json", folder)
        prune.run(made.study, yes=True)
        holder.check()
    assert (folder / "checkpoints/model.safetensors").exists()


def test_a_jump_of_the_clock_ends_no_lease(made, monkeypatch):
    """The age of a lease is measured with the clock of its disk."""
    folder = work("0123456789abcdef", RUN / "model.json")
    die_at_work(folder, "elsewhere")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10 * work_directories.QUIET)
    prune.run(made.study, yes=True)
    assert (folder / "checkpoints/model.safetensors").exists()


@pytest.mark.parametrize("facts", [{"token": "../../x"}, {"pid": "1"}, {"pid": None}, {"token": 5}])
def test_an_invalid_lease_counts_as_held(facts, made):
    folder = work("0123456789abcdef", RUN / "model.json")
    die_at_work(folder, platform.node())
    lease = folder / "lease.json"
    lease.write_text(json.dumps(json.loads(lease.read_text()) | facts))
    prune.run(made.study, yes=True)
    assert (folder / "checkpoints/model.safetensors").exists()


@pytest.mark.parametrize("host", [platform.node(), "elsewhere"])
def test_work_of_a_dead_trainer_is_deleted(host, made):
    """At once if it ran on this host, otherwise when nothing has changed for a while."""
    dead = work("0123456789abcdef", RUN / "model.json")
    die_at_work(dead, host)
    if host == "elsewhere":
        age(dead / "lease.json", dead)
    prune.run(made.study, yes=True)
    assert list(Path("work").iterdir()) == []


def test_the_next_prune_removes_what_a_killed_one_left(made):
    """The mark is deleted last, so the next prune still knows whose work directory it is."""
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
    """Exit code of a child that calls `act` and is killed before it deletes, links or renames for the n-th time."""
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
def test_the_work_of_a_trainer_during_prune_is_not_lost(act, made, monkeypatch, capsys):
    folder = work("0123456789abcdef", RUN / "model.json")
    looked, held = prune.verify, []

    def meanwhile(*arguments, **options):
        audit = looked(*arguments, **options)
        trainer = WorkDir(folder, RUN / "model.json", wait=0)
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


def test_a_trainer_that_starts_while_its_directory_is_deleted_waits_and_makes_it_again(made, monkeypatch):
    folder, children = work("0123456789abcdef", RUN / "model.json"), []

    def meanwhile(emptied):
        if (child := os.fork()) == 0:
            sys.stderr = os.fdopen(write_end, "w")  # the trainer prints that it waits
            trainer = WorkDir(emptied, RUN / "model.json", wait=60)
            trainer.starts_from(0)
            os._exit(0 if trainer.lease.waited and not trainer.earlier else 1)
        children.append(child)
        os.close(write_end)
        os.read(read_end, 1)
        empty_workdir(emptied)

    read_end, write_end = os.pipe()
    monkeypatch.setattr(work_directories, "empty_workdir", meanwhile)
    prune.run(made.study, yes=True)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert marked_results(folder) == {(RUN / "model.json").absolute()}
