"""Results of a finished study are verified, pruned, archived and adopted through the command line."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from smoothgates.jobs.dag import jobs_of
from smoothgates.study.loader import load_study

REPORT = ["--allowed-rules", "report", "analyse", "gates", "--forcerun", "report", "--", "reports/smoke/index.html"]
RUN = "train/math/near/erf/seed0"


def smoothgates(checkout, *words: str, ok: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", "smoothgates", *words, "--study", "smoke"],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
        env=checkout.environment,
    )
    assert "Traceback" not in done.stderr
    assert not ok or done.returncode == 0, done.stdout + done.stderr
    return done


def not_done(checkout) -> dict[str, int]:
    """The number of jobs that are not done or not current, by rule."""
    jobs = json.loads(smoothgates(checkout, "verify", "--json", ok=False).stdout)["jobs"]
    counts = {rule: sum(row.values()) - row.get("done", 0) for rule, row in jobs.items()}
    return {rule: count for rule, count in counts.items() if count}


def without_records(checkout, folder: Path):
    """A fresh copy of the project with results and reports. Their file times are in an arbitrary order."""
    moved = checkout.copy(folder)
    shutil.rmtree(folder / ".snakemake")
    for i, path in enumerate(sorted(folder.rglob("*"), reverse=True)):
        os.utime(path, (1_700_000_000 + i, 1_700_000_000 + i))
    return moved


def test_nothing_is_wrong_with_a_finished_study(finished):
    assert smoothgates(finished, "verify").stdout.splitlines()[-1] == "Nothing is wrong."


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("config/methods.yaml", "tau: [10, 12]", "tau: [9, 12]"),
        ("src/smoothgates/gates/erf.py", "\nGATE = ", "\nNEW = 1\nGATE = "),
        ("src/smoothgates/tasks/toolqa/rewards.py", "\n\n\ndef ", "\nNEW = 1\n\n\ndef "),
        ("src/smoothgates/report/page.html.j2", "Learning curves", "Curves"),
        ("src/smoothgates/objective/loss.py", "\n\n\ndef ", "\nNEW = 1\n\n\ndef "),
    ],
)
def test_verify_and_snakemake_agree_on_what_is_stale(file, old, new, checkout):
    checkout.edit(file, old, new)
    pending = checkout.pending()
    assert pending.pop("all") == 1
    assert not_done(checkout) == pending


@pytest.mark.parametrize(
    "path",
    [
        "data/math/train.parquet",
        f"{RUN}/weights/model.safetensors",
        f"{RUN}/run.json",
        "evaluate/math/near/erf/seed1/samples.parquet/heldout.parquet",
        "analysis/learning.parquet",
    ],
)
def test_a_flipped_byte_is_found(path, checkout):
    file = checkout.folder / "results/smoke" / path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    done = smoothgates(checkout, "verify", ok=False)
    assert done.returncode == 1
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("damaged")] == [
        f"results/smoke/{path}:"
    ]


def test_the_report_is_rebuilt_from_an_archive(finished, tmp_path):
    """Byte for byte, without weights and without Snakemake's records."""
    smoothgates(finished, "archive", "--out", str(tmp_path / "smoke.tar.gz"))
    with tarfile.open(tmp_path / "smoke.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    unpacked = type(finished)(tmp_path / "smoothgates-smoke")
    subprocess.run(["sha256sum", "--check", "--quiet", "MANIFEST.sha256"], cwd=unpacked.folder, check=True)
    assert not list(unpacked.folder.rglob("*.safetensors"))
    page = unpacked.folder / "reports/smoke/index.html"
    before = page.read_bytes()
    shutil.rmtree(unpacked.folder / "reports")
    assert unpacked.pending(*REPORT) == {"report": 1}
    unpacked.snakemake("--config", "study=smoke", *REPORT)
    assert page.read_bytes() == before
    assert smoothgates(unpacked, "verify").stdout.endswith("Nothing is wrong.\n")


def test_snakemake_treats_adopted_results_as_its_own(finished, tmp_path):
    copy = without_records(finished, tmp_path / "copy")
    assert copy.pending(), "what adopting is for"
    smoothgates(copy, "adopt")
    assert copy.pending() == {}
    copy.edit("config/methods.yaml", "tau: [10, 12]", "tau: [9, 12]")
    assert copy.pending() == {"train": 2, "evaluate": 1, "analyse": 1, "report": 1, "all": 1}


def test_part_of_a_study_can_be_adopted(finished, tmp_path):
    copy = without_records(finished, tmp_path / "copy")
    for folder in ("train/toolqa", "evaluate/toolqa", "analysis"):
        shutil.rmtree(copy.folder / "results/smoke" / folder)
    shutil.rmtree(copy.folder / "reports")
    smoothgates(copy, "adopt")
    assert copy.pending() == {"train": 2, "evaluate": 2, "gates": 1, "analyse": 1, "report": 1, "all": 1}


def test_damaged_or_stale_results_are_not_adopted(finished, tmp_path):
    copy = without_records(finished, tmp_path / "copy")
    copy.edit("config/methods.yaml", "tau: [10, 12]", "tau: [9, 12]")
    (copy.folder / "results/smoke" / RUN / "metrics.parquet").write_bytes(b"")
    done = smoothgates(copy, "adopt", ok=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: not adopted, run the study instead: damaged ")
    assert len(done.stderr.splitlines()) == 1
    assert not (copy.folder / ".snakemake").exists()


def test_a_stopped_run_keeps_the_checkpoints_that_it_resumes_from(checkout, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    study = load_study("smoke")
    job = next(job for job in jobs_of(study) if job.name == "math/near/erf/seed0")
    for path in job.writes:
        Path(path).unlink()
    data, policy, out, metrics = job.inputs["data"], job.inputs["policy"], *job.writes
    words = ["--data", data, "--policy", policy, "--out", out, "--metrics", metrics, "--wall-minutes", "0.0001"]
    command = [sys.executable, "-m", "smoothgates", "train", "--spec", job.spec.canonical(), *words]
    assert subprocess.run(command, env=checkout.environment, check=False).returncode == 75
    (work,) = Path("work").iterdir()
    assert f"left  {work}: an unfinished run resumes from it" in smoothgates(checkout, "prune", "--yes").stdout
    assert work.exists()
    checkout.edit("config/methods.yaml", "tau: [10, 12]", "tau: [9, 12]")
    assert f"{work}: no unfinished run resumes from it" in smoothgates(checkout, "prune", "--yes").stdout
    assert list(Path("work").iterdir()) == []


def test_pruned_checkpoints_are_named_when_a_stage_needs_them(checkout):
    manifest = f"results/smoke/{RUN}/model.json"
    assert "would free" in smoothgates(checkout, "prune", "--checkpoints").stdout
    smoothgates(checkout, "prune", "--checkpoints", "--yes")
    assert smoothgates(checkout, "verify").stdout.endswith("Nothing is wrong.\n")
    assert checkout.pending() == {}
    scores = "results/smoke/evaluate/math/near/erf/seed0/heldout.json"
    again = ["--config", "study=smoke", "--forcerun", "evaluate", "--", scores]
    assert checkout.snakemake(*again, ok=False).returncode == 1
    log = (checkout.folder / "logs/smoke/evaluate/math/near/erf/heldout.log").read_text().splitlines()[-1]
    assert log.startswith(f"error: results/smoke/{RUN}/checkpoints/rollout0001: is missing")
    for seed in (0, 1):
        (checkout.folder / manifest.replace("seed0", f"seed{seed}")).unlink()
    checkout.snakemake(*again)
    assert checkout.pending() == {}
