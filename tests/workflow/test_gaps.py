"""The page shows measured numbers only: a result that does not match its record is named as a gap, or refused."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from smoothgates.errors import BadInput
from smoothgates.io.files import digest, write_json
from smoothgates.io.paths import record_of
from smoothgates.io.seal import sealed
from smoothgates.jobs.dag import Jobs, jobs_of
from smoothgates.report.runs import results_of
from smoothgates.stages import analyse, report
from smoothgates.study.loader import load_study

RESULTS = Path("results/smoke")
SCORE = RESULTS / "evaluate/math/near/erf/seed1/heldout.json"
RECORD = SCORE.with_name("heldout.run.json")
SAMPLES = SCORE.with_name("samples.parquet") / "heldout.parquet"
RUN = RESULTS / "train/math/near/erf/seed1"
COMPARISONS = RESULTS / "analysis/comparisons.json"
PAGE = Path("reports/smoke/index.html")


@pytest.fixture
def checkout(checkout, monkeypatch):
    """A finished study for the test to change, as the working directory."""
    monkeypatch.chdir(checkout.folder)
    return checkout


def analysed() -> dict:
    job = Jobs(load_study("smoke")).analyse()
    analyse.run(job.spec.canonical(), RESULTS, COMPARISONS)
    return json.loads(COMPARISONS.read_text())


def reported() -> str:
    study = load_study("smoke")
    data = [Path(Jobs(study).paths.data.format(task=task)) for task in study.config.tasks]
    spec = study.report_spec().canonical()
    report.run(spec, COMPARISONS, RESULTS / "analysis/gates/catalogue.json", data, PAGE)
    return re.sub(r"<script.*?</script>", "", PAGE.read_text(), flags=re.DOTALL)  # whose code looks like anything


def edit(path: Path, **facts) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def reseal(path: Path, **facts) -> None:
    """Seal a record again after it was edited."""
    old = json.loads(path.read_text())
    write_json(path, sealed({**{key: old[key] for key in old if key != "sha256"}, **facts}))


def better_scores() -> None:
    edit(SCORE, final={**json.loads(SCORE.read_text())["final"], "score": 0.99})


def scores_of_another_run() -> None:
    for name in ("heldout.json", "heldout.run.json"):
        shutil.copy(RESULTS / "evaluate/math/near/grpo/seed1" / name, SCORE.with_name(name))


def scores_of_another_study() -> None:
    """Scores of a study with the same runs, copied here with their records."""
    text = RECORD.read_text().replace("results/smoke/", "results/other/")
    reseal(RECORD, **{key: value for key, value in json.loads(text).items() if key in ("inputs", "outputs")})


def another_policy() -> None:
    """A policy that was trained and recorded again, but not evaluated."""
    edit(RUN / "model.json", rollouts=99)
    outputs = json.loads((RUN / "run.json").read_text())["outputs"]
    reseal(RUN / "run.json", outputs={**outputs, str(RUN / "model.json"): digest(RUN / "model.json")})


SPOILT = {
    "edited scores": (better_scores, f"{SCORE}: does not match the digest in its record"),
    "scores of another run": (scores_of_another_run, f"{SCORE}: {RECORD} does not account for it"),
    "scores of another study": (scores_of_another_study, f"{SCORE}: {RECORD} does not account for it"),
    "no record": (RECORD.unlink, f"{RECORD}: no such file"),
    "a damaged record": (lambda: RECORD.write_text("{"), f"{RECORD}: not JSON"),
    "an edited record": (lambda: edit(RECORD, seconds=0), f"{RECORD}: does not match its own seal"),
    "no scores": (SCORE.unlink, f"{SCORE}: no such file"),
    "an edited policy": (lambda: edit(RUN / "model.json", rollouts=9), f"{RUN}/model.json: does not match the digest"),
    "another policy": (another_policy, f"{SCORE}: {RUN}/model.json has changed since it was made"),
    "a policy without a record": ((RUN / "run.json").unlink, f"{RUN}/run.json: no such file"),
    "no samples": (SAMPLES.unlink, f"{SAMPLES}: no such file"),
    "other samples": (lambda: SAMPLES.write_bytes(b""), f"{SAMPLES}: does not match the digest"),
    "other metrics": (
        lambda: (RUN / "metrics.parquet").write_bytes(b""),
        f"{RUN}/metrics.parquet: does not match the digest",
    ),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_scores_that_fail_a_check_are_a_named_gap(spoil, checkout):
    change, fault = SPOILT[spoil]
    before = analysed()
    assert before["gaps"] == []
    change()
    after = analysed()
    (gap,) = after["gaps"]
    assert f"{gap['file']}: {gap['why']}".startswith(fault)
    assert [gap[key] for key in ("task", "regime", "method", "seed", "benchmark")] == [
        "math",
        "near",
        "erf",
        1,
        "heldout",
    ]
    rows = pd.read_parquet(RESULTS / "analysis/scores.parquet").set_index(["task", "regime", "method", "seed"])
    assert ("math", "near", "erf", 1) not in rows.index
    assert ("math", "near", "erf", 0) in rows.index
    others = [[row for row in found["summaries"] if row["method"] != "erf"] for found in (before, after)]
    assert others[0] == others[1]


def test_the_page_names_every_gap_and_shows_the_rest(checkout):
    better_scores()
    (RESULTS / "data/toolqa/run.json").write_text("{")
    (RESULTS / "policy/math/seed0/run.json").write_text('{"schema": "smoothgates.run", "schema_version": 1}')
    Path("results/smoke/evaluate/planted.run.json").write_text('{"stage": "evaluate", "seconds": 1e9}')
    analysed()
    page = reported()
    box = re.search(r'<div class="gaps">.*?</div>', page, re.DOTALL)[0]
    for file in (SCORE, RESULTS / "data/toolqa/run.json", RESULTS / "policy/math/seed0/run.json"):
        assert f"<code>{file}</code>" in box
    assert "Missing here: math/near/erf/1/heldout" in box
    assert "Missing here: math/control/warm_start/0/heldout" in box
    assert "3 files cannot be used" in box
    assert "planted" not in page
    assert "1000000000" not in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_a_method_without_any_score_is_a_gap_and_no_figure_fails(checkout):
    for seed in (0, 1):
        (RESULTS / f"evaluate/math/near/erf/seed{seed}/heldout.run.json").unlink()
    assert len(analysed()["gaps"]) == 2
    assert "There is nothing to compare with grpo." in reported()


def test_an_analysis_needs_the_reference(checkout):
    for seed in (0, 1):
        (RESULTS / f"evaluate/math/near/grpo/seed{seed}/heldout.run.json").unlink()
    before = COMPARISONS.read_bytes()
    with pytest.raises(
        BadInput, match=r"grpo/seed0/heldout.run.json: no such file \(and 1 more\): math has no score of grpo left"
    ):
        analysed()
    assert COMPARISONS.read_bytes() == before


@pytest.mark.parametrize(
    "path",
    [
        "comparisons.json",
        "verdicts.json",
        "scores.parquet",
        "learning.parquet",
        "curves.parquet",
        "run.json",
        "gates/catalogue.json",
    ],
)
def test_an_edited_analysis_is_refused_and_the_old_page_stays(path, checkout):
    file = RESULTS / "analysis" / path
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
    before = {path: path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match=rf"^{file}: .*: delete results/smoke/analysis/.* and run `make report`"):
        reported()
    assert before == {path: path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()}


CHANGED = [
    ("config/smoke.yaml", "reference: grpo", "reference: grpo\nconfidence: 0.9"),
    ("config/smoke.yaml", "seeds: [0, 1]", "seeds: [0]"),
    ("config/smoke.yaml", "lr: 3.0e-4", "lr: 3.1e-4"),
    ("config/methods.yaml", "{gate: erf, tau: [10, 12]}", "{gate: erf, tau: [11, 12]}"),
    ("config/smoke.yaml", "{problems: 16, samples: 1}", "{problems: 15, samples: 1}"),
]


@pytest.mark.parametrize(("file", "old", "new"), CHANGED)
def test_an_analysis_of_an_earlier_version_of_the_study_is_refused(file, old, new, checkout):
    """The page describes the current study: its seeds, regimes, methods and benchmarks."""
    checkout.edit(file, old, new) if old in Path(file).read_text() else checkout.edit(
        file, "reference:", f"{new}\nreference:"
    )
    with pytest.raises(BadInput, match=f"^{COMPARISONS}: spec: is not the study's current one: delete"):
        reported()


@pytest.mark.parametrize(
    ("file", "old", "new", "fault", "missing"),
    [
        (*CHANGED[3], rf"{RUN}/model.json: spec: was trained with a spec other", {"erf"}),
        (
            "config/smoke.yaml",
            "steps: 2,",
            "steps: 3,",
            "sft/seed./model.json: spec: was trained with a spec other",
            {"sft"},
        ),
    ],
)
def test_runs_of_an_earlier_version_of_the_study_are_gaps(file, old, new, fault, missing, checkout):
    """They would look like runs of the current study."""
    checkout.edit(file, old, new)
    gaps = analysed()["gaps"]
    assert {gap["method"] for gap in gaps} == missing
    assert [gap["seed"] for gap in gaps] == [0, 1]
    assert any(re.match(f".*{fault}", f"{gap['file']}: {gap['why']}") for gap in gaps)
    assert "2 files cannot be used" in reported()


@pytest.mark.parametrize(("file", "old", "new"), [CHANGED[2], CHANGED[4]])
def test_an_analysis_needs_runs_of_the_current_study(file, old, new, checkout):
    checkout.edit(file, old, new)
    with pytest.raises(BadInput, match=r"spec: was (trained|evaluated) with a spec other than the study's"):
        analysed()


def test_scores_of_other_data_or_of_another_start_are_gaps(checkout):
    """The start of one seed is made again, but not the runs from it; then the data are made again too."""
    start = RESULTS / "policy/math/seed1"
    edit(start / "model.json", losses=[0.5])
    outputs = json.loads((start / "run.json").read_text())["outputs"]
    reseal(start / "run.json", outputs={**outputs, str(start / "model.json"): digest(start / "model.json")})
    gaps = analysed()["gaps"]
    assert {gap["seed"] for gap in gaps} == {1}
    assert {gap["method"] for gap in gaps} == {"grpo", "erf", "sft", "warm_start"}
    assert f"{RUN}/model.json: {start}/model.json has changed since it was made: run the study again" in {
        f"{gap['file']}: {gap['why']}" for gap in gaps
    }
    edit(RESULTS / "data/toolqa/manifest.json", overlap={})
    with pytest.raises(BadInput, match=r"results/smoke/data/toolqa/manifest.json has changed since it was made"):
        analysed()


def test_scores_that_changed_after_they_were_analysed_are_refused(checkout):
    """This includes scores that were left out and have been restored."""
    original = SCORE.read_bytes()
    better_scores()
    with pytest.raises(BadInput, match=f"{SCORE}: has changed since {COMPARISONS} was made"):
        reported()
    analysed()
    SCORE.write_bytes(original)
    with pytest.raises(BadInput, match=f"{SCORE}: has changed since {COMPARISONS} was made"):
        reported()


def test_the_page_has_no_facts_about_another_study(checkout):
    """Facts about the laptop study are in its file only. All figures have one scale."""
    page = reported()
    for word in ("106k", "laptop", "lag4", "reuse16", "1 regimes"):
        assert word not in page, word
    assert page.count("<svg ") == page.count('<svg style="--natural: ') > 3


def test_a_missing_score_is_distinguished_from_a_changed_one(checkout):
    """`make report` cannot make a score again; `make study` does, after the analysis is deleted too."""
    SCORE.unlink()
    with pytest.raises(BadInput, match=rf"{SCORE}: is gone since .*: delete {COMPARISONS} too and run `make study`"):
        reported()


def test_figures_belong_to_their_page(checkout, monkeypatch):
    """A report that fails half-way leaves the old page and figures, and no new file."""
    before = {path: path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()}
    for path in before:
        path.write_bytes(b"old")

    def fail(**_):
        raise RuntimeError

    monkeypatch.setattr(report, "Page", fail)
    with pytest.raises(RuntimeError):
        reported()
    assert dict.fromkeys(before, b"old") == {
        path: path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()
    }
    assert not list(Path("reports/smoke").glob(".*"))


def test_a_report_that_fails_keeps_the_old_page_and_is_not_done(checkout):
    """Snakemake would take the old page for a finished one, but its record is missing."""
    old, compared = PAGE.read_bytes(), COMPARISONS.read_bytes()
    edit(COMPARISONS, summaries=[])
    only = ["--config", "study=smoke", "--allowed-rules", "report", "--", str(PAGE)]
    done = checkout.snakemake(*only, ok=False)
    assert done.returncode == 1
    assert PAGE.read_bytes() == old
    lines = Path("logs/smoke/report.log").read_text().splitlines()
    assert lines[-1].startswith(f"error: {COMPARISONS}: does not match the digest in its record")
    assert checkout.pending()["report"] == 1
    COMPARISONS.write_bytes(compared)
    checkout.snakemake("--config", "study=smoke")
    assert PAGE.read_bytes() == old
    assert checkout.pending() == {}


def test_jobs_and_the_report_read_the_same_records(checkout):
    study = load_study("smoke")
    listed = results_of(Jobs(study).paths, study.analyse_spec(), study.report_spec())
    found = set(map(record_of, listed))
    assert found == {record for job in jobs_of(study) if job.rule != "report" for record in job.records}
