"""A small study runs to its end through the DAG, its results are cached, and bad input is one line."""

import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest


def without_scripts(page: str) -> str:
    """The page without its scripts, whose code looks like anything."""
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_the_report_is_self_contained(finished):
    page = (finished.folder / "reports/smoke/index.html").read_text()
    assert len(page.encode()) < 6 * 2**20
    page = without_scripts(page)
    beside = re.findall(r'(?:src|href)="(?!#)(.*?)"', page.replace('xlink:href="#', ""))
    assert beside
    assert [name for name in beside if not (finished.folder / "reports/smoke" / name).is_file()] == []
    assert "@import" not in page
    figures = {path.stem for path in (finished.folder / "reports/smoke/figures").glob("*.svg")}
    assert figures == {
        *("differences", "scores", "gates", "learning", "curves_math", "curves_toolqa"),
        *("gates_f1", "gates_f3", "gates_f4", "sapo_f1"),
    }
    assert page.count("<svg") == len(figures)
    for name in figures:
        for suffix in ("svg", "pdf"):
            assert (finished.folder / f"reports/smoke/figures/{name}.{suffix}").stat().st_size > 1000
    assert (finished.folder / "reports/smoke/tables/scores.tex").read_text().startswith(r"\begin{tabular}")


def test_snakemakes_own_report_has_every_result_with_its_caption(finished, tmp_path):
    """And asking for it, or what its captions say, makes no job stale."""
    finished.snakemake("--report", str(tmp_path / "study.zip"), "--config", "study=smoke")
    with zipfile.ZipFile(tmp_path / "study.zip") as archive:
        names = [Path(name) for name in archive.namelist()]
        (text,) = (archive.read(str(name)).decode() for name in names if name.name == "report.html")
    shown = Counter(name.name for name in names)
    jobs = finished.jobs()
    assert shown["index.html"] == shown["comparisons.json"] == shown["verdicts.json"] == shown["catalogue.json"] == 1
    assert shown["model.json"] == sum(job.rule == "train" for job in jobs)
    assert shown["heldout.json"] == sum(len(job.writes) for job in jobs if job.rule == "evaluate")
    for category in ("Report", "Analysis", "Scores", "Runs", "Gates"):
        assert f'"{category}"' in text
    assert "checked numerically before any method that uses it is trained" in text
    assert finished.pending() == {}


def test_scores_name_their_run_and_have_a_curve_and_samples(finished):
    path = finished.folder / "results/smoke/evaluate/math/near/erf/seed1/heldout.json"
    scores = json.loads(path.read_text())
    assert scores["schema"] == "smoothgates.scores"
    assert scores["run"] == {"task": "math", "regime_name": "near", "method_name": "erf", "seed": 1}
    assert scores["final"]["problems"] == 32
    assert [point["rollouts"] for point in scores["curve"]] == [1, 2, 3]
    samples = pd.read_parquet(path.parent / "samples.parquet")
    assert len(samples) == 64
    assert {"prompt", "completion", "extracted", "correct", "reason", "replies"} <= set(samples)
    assert samples["correct"].mean() == scores["final"]["score"]


def test_adding_a_gate_is_one_file_and_one_row(checkout):
    gates = checkout.folder / "src/smoothgates/gates"
    (gates / "mine.py").write_text((gates / "arctan.py").read_text().replace('name="arctan"', 'name="mine"'))
    with (checkout.folder / "config/methods.yaml").open("a") as file:
        file.write("\nmine: {gate: mine, half_width: 0.1}\n")
    checkout.edit("config/smoke.yaml", "near: [grpo, erf]", "near: [grpo, erf, mine]")
    last = {"gates": 1, "analyse": 1, "report": 1, "all": 1}
    assert checkout.pending() == {"check_gate": 1, "train": 2, "evaluate": 1, **last}
    checkout.snakemake("--config", "study=smoke")
    for path in ("tables/scores.csv", "figures/scores.svg", "figures/gates.svg", "index.html"):
        assert "mine" in (checkout.folder / "reports/smoke" / path).read_text()


@pytest.mark.parametrize(
    ("resources", "launched"),
    [
        (["train:gpu=1"], ""),
        (["train:gpu=2"], "launch --nodes 1 --processes 2 --"),
        (["train:ranks=2"], "launch --nodes 1 --processes 2 --"),
        (["train:nodes=2", "train:gpu=16"], "launch --nodes 2 --"),
    ],
)
def test_a_run_has_a_process_for_each_of_its_gpus(clone, resources, launched):
    shown = ("--dry-run", "--printshellcmds", "--quiet", "host")
    done = clone.snakemake(*shown, "--config", "study=smoke", "--set-resources", *resources)
    commands = re.findall(r"-m smoothgates (.*) train --spec", done.stdout + done.stderr)
    assert commands == [launched] * 6


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("smoke", "seeds: [0, 1]", "seeds: [0, 0]", "config/smoke.yaml: seeds: seeds must differ"),
        ("smoke", "checkpoint_every", "checkpoint_evry", "config/smoke.yaml: checkpoint_every: Field required"),
        ("smoke", "lr: 3.0e-4", "lr: 3e-4", "regimes.near.optimizer.lr: expected a number, got the text '3e-4'"),
        ("methods", "gate: erf, tau: [10, 12]", "gate: erff, tau: 1", "methods.yaml: erf: gate: unknown gate 'erff'"),
        (
            "methods",
            "gate: erf, tau: [10, 12]",
            "gate: erf, tau: 0",
            "methods.yaml: erf: tau.0: Input should be greater",
        ),
    ],
)
def test_bad_config_is_one_line_and_exit_code_2(file, old, new, message, checkout):
    checkout.edit(f"config/{file}.yaml", old, new)
    before = sorted(path.stat().st_mtime_ns for path in checkout.folder.joinpath("results").rglob("*"))
    done = checkout.snakemake("--config", "study=smoke", ok=False)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert before == sorted(path.stat().st_mtime_ns for path in checkout.folder.joinpath("results").rglob("*"))


def test_a_missing_study_is_named(checkout):
    done = checkout.snakemake("--config", "study=nosuch", ok=False)
    assert done.returncode == 2
    assert "error: config/nosuch.yaml: no such file" in done.stderr


def test_two_studies_of_one_name_do_not_share_results(finished, clone, tmp_path):
    other = tmp_path / "smoke.yaml"
    other.write_text((clone.folder / "config/smoke.yaml").read_text().replace("seeds: [0, 1]", "seeds: [7]"))
    (tmp_path / "methods.yaml").write_text((clone.folder / "config/methods.yaml").read_text())
    done = clone.snakemake("-n", "--config", f"study={other}", ok=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        f"error: {other}: results/smoke belongs to config/smoke.yaml, a study of the same name: rename one of them",
    )
    clone.snakemake("-n", "--config", "study=smoke")
    assert not (clone.folder / "results").exists(), "a dry run writes no results"
    assert json.loads((finished.folder / "results/smoke/study.json").read_text())["file"] == "config/smoke.yaml"


def test_the_same_seed_gives_the_same_bytes(checkout):
    run = checkout.folder / "results/smoke/train/math/near/erf/seed0"
    before = {
        name: (run / name).read_bytes() for name in ("model.json", "metrics.parquet", "weights/model.safetensors")
    }
    checkout.snakemake(
        "--config", "study=smoke", "--forcerun", "train", "--", f"{run.relative_to(checkout.folder)}/model.json"
    )
    for name, content in before.items():
        assert (run / name).read_bytes() == content
    assert checkout.pending() == {}, "identical content must not rerun evaluation"


def test_a_damaged_data_file_is_named(checkout):
    data = checkout.folder / "results/smoke/data/math/train.parquet"
    data.write_bytes(data.read_bytes()[:-100])
    done = checkout.snakemake(
        "--config",
        "study=smoke",
        "--forcerun",
        "train",
        "--",
        "results/smoke/train/math/near/erf/seed0/model.json",
        ok=False,
    )
    assert done.returncode == 1
    log = (checkout.folder / "logs/smoke/train/math/near/erf/seed0.log").read_text()
    cause = r"error: .*train\.parquet: damaged: sha256 is \w{64}, its manifest says \w{64}\n"
    assert re.search(f"{cause}$", log)
    last = rf"failed train/math/near/erf/seed0: {cause}       see logs/smoke/train/math/near/erf/seed0.log\n$"
    assert re.search(last, done.stderr), "the terminal ends with the cause"
    assert "--spec" not in done.stderr
