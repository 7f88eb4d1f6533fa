"""Finished studies, from files to page: planted effects get their verdicts, and what is missing is named."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from smoothgates.errors import BadInput
from smoothgates.ops import figure
from smoothgates.stages import report
from tests.synthetic import analysed, reported, small_study, write_study

METHODS = ("grpo", "erf", "arctan", "softsign")
PLANTED = {"erf": 0.85, "arctan": 0.15}
RESULTS = Path("results/small")


def planted(task, regime, method, seed):
    """The erf gate is better than GRPO, arctan is worse, softsign is equal to it."""
    return PLANTED.get(method, 0.5)


@pytest.fixture
def drawn(monkeypatch):
    """Figures that take no time to draw."""

    def draw_all(wanted: dict, folder: Path) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            for suffix in ("svg", "pdf"):
                (folder / f"{name}.{suffix}").write_text("")
        return dict.fromkeys(wanted, '<svg width="1pt"></svg>')

    monkeypatch.setattr(report, "draw_all", draw_all)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """Two seeds of four methods, with their controls. One run has diverged."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study(small_study(2, METHODS), planted, diverged=[("math", "lag4", "arctan", 1)])
    return folder


@pytest.fixture
def study(template, tmp_path, monkeypatch, drawn):
    """A copy for the test to change. It is the working directory."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return small_study(2, METHODS)


def verdict(claim: str) -> dict:
    rows = json.loads((RESULTS / "analysis/verdicts.json").read_text())["verdicts"]
    return next(row for row in rows if row["id"] == claim)


def test_planted_effects_get_their_verdicts_from_files(tmp_path, monkeypatch):
    """Ten seeds: what is planted is found with its sign, and nothing else is."""
    monkeypatch.chdir(tmp_path)
    study = small_study(10, METHODS)
    write_study(study, planted)
    analysed(study)
    rows = json.loads((RESULTS / "analysis/verdicts.json").read_text())["verdicts"]
    kinds = {row["id"]: row["verdict"] for row in rows if row.get("metric") == "score" and "n" in row}
    assert kinds == {
        "gates_accuracy_gsm8k_erf": "holds",
        "gates_accuracy_gsm8k_arctan": "opposite",
        "gates_accuracy_gsm8k_softsign": "cannot tell",
    }
    effect = verdict("gates_accuracy_gsm8k_erf")
    assert effect["low"] < 0.35 < effect["high"]
    scores = pd.read_parquet(RESULTS / "analysis/scores.parquet")
    means = scores[scores["regime"] == "lag4"].groupby("method")["score"].mean()
    assert means.to_dict() == pytest.approx({m: planted("", "", m, 0) for m in METHODS}, abs=0.06)


ARM = RESULTS / "train/math/lag4/erf/seed1"
SCORES = RESULTS / "evaluate/math/lag4/erf/seed1"
ONE_RUN = {"math/lag4/erf/1/heldout"}
REMOVED = {
    RESULTS / "data/math/manifest.json": "refused",
    RESULTS / "data/math/run.json": "named",
    RESULTS / "gates/erf/check.json": ONE_RUN | {"math/lag4/erf/0/heldout"},
    RESULTS / "gates/erf/run.json": "named",
    RESULTS / "analysis/gates/catalogue.json": "refused",
    RESULTS / "analysis/gates/run.json": "refused",
    RESULTS / "policy/math/seed1/model.json": {"math/control/warm_start/1/heldout"} | ONE_RUN
    | {f"math/{arm}/1/heldout" for arm in ("lag4/grpo", "lag4/arctan", "lag4/softsign", "control/sft")},
    RESULTS / "policy/math/seed1/run.json": {"math/control/warm_start/1/heldout"},
    RESULTS / "train/math/control/sft/seed1/model.json": {"math/control/sft/1/heldout"},
    ARM / "model.json": ONE_RUN,
    ARM / "run.json": ONE_RUN,
    ARM / "metrics.parquet": ONE_RUN,
    SCORES / "heldout.json": ONE_RUN,
    SCORES / "heldout.run.json": ONE_RUN,
    SCORES / "samples.parquet/heldout.parquet": ONE_RUN,
}  # fmt: skip
"""What comes of removing a file: scores that are gaps and name it, a refusal that names it, or a line on the page."""


@pytest.mark.parametrize("file", REMOVED, ids=str)
def test_a_removed_file_is_named(file, study):
    file.unlink()
    expected = REMOVED[file]
    if expected == "refused":
        with pytest.raises(BadInput, match=re.escape(str(file))):
            analysed(study)
        return
    gaps = json.loads(analysed(study).read_text())["gaps"]
    if expected == "named":
        assert not gaps
        assert str(file) in re.search(r'<div class="gaps">.*?</div>', reported(study).read_text(), re.DOTALL)[0]
        return
    assert all(str(file) in f"{gap['file']}: {gap['why']}" for gap in gaps)
    lost = {"/".join(str(gap[key]) for key in ("task", "regime", "method", "seed", "benchmark")) for gap in gaps}
    assert lost == expected
    table = pd.read_parquet(RESULTS / "analysis/scores.parquet")
    kept = {"/".join(map(str, row)) for row in table[["task", "regime", "method", "seed", "benchmark"]].values}
    wanted = {f"math/{r}/{m}/{s}/heldout" for r, m in study.arms("math") for s in (0, 1)}
    assert kept == wanted - lost


def test_every_kind_of_file_is_among_those_removed(study):
    """Weights aside, which the report never reads."""

    def kind(path: Path) -> str:
        return re.sub(rf"seed\d|clip|sft|warm_start|lag4|control|{'|'.join(METHODS)}", "", path.as_posix())

    every = {path for path in RESULTS.rglob("*") if path.is_file()}
    assert {kind(path) for path in every} - {kind(path) for path in REMOVED} == {
        f"{RESULTS}/analysis/gates/curves.parquet"  # refused by the report: test_gaps.py
    }


@pytest.mark.parametrize(("seeds", "words"), [(1, "(one seed)"), (2, "(2 seeds can establish nothing in this family)")])
def test_few_seeds_are_said_to_establish_nothing(seeds, words, study):
    fewer = small_study(seeds, METHODS)
    compared = json.loads(analysed(fewer).read_text())
    assert compared["gaps"] == []
    assert not any(row["established"] for row in compared["comparisons"])
    found = verdict("gates_accuracy_gsm8k_erf")
    assert (found["verdict"], found["n"]) == ("cannot tell", seeds)
    assert found["words"] == f"cannot tell at 13k parameters {words}"
    page = reported(fewer).read_text()
    assert found["words"] in page
    assert not re.search(r"\bnan\b|>None<", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))


def test_a_run_that_diverged_is_counted_and_named(study):
    analysed(study)
    page = reported(study).read_text()
    assert page.count("<td>1 of 2</td>") == 1
    ends = pd.read_parquet(RESULTS / "analysis/scores.parquet").set_index(["method", "seed"])
    assert ends.loc[("arctan", 1), ["status", "collapsed"]].tolist() == ["diverged", 1]
    assert "Runs that diverged, drawn up to there: math lag4 arctan (1)." in page
    seeds = pd.read_csv("reports/small/figures/gates_f3.csv").groupby("method")["seeds"].agg(["min", "max"])
    assert seeds.loc["arctan"].tolist() == [1, 2]
    assert seeds.loc["grpo"].tolist() == [2, 2]


def test_a_figure_of_a_paper_is_on_the_page_and_can_be_drawn_again(study):
    analysed(study)
    page = reported(study).read_text()
    for link in ("figures/gates_f3.csv", "figures/gates_f3.svg", "figures/gates_f3.pdf"):
        assert f'<a href="{link}">' in page
        assert Path("reports/small", link).is_file()
    assert "Figure 5: Training reward of SAPO at three values of τ⁻</b> is not drawn: it needs runs of sapo" in page
    for out in (Path("again.csv"), Path("again.svg")):
        figure.run("gates_f3", "config/small.yaml", out)
    assert Path("again.csv").read_bytes() == Path("reports/small/figures/gates_f3.csv").read_bytes()
    assert "softsign" in Path("again.svg").read_text()
    for name, out, fault in (
        ("gates_f9", "x.pdf", "gates_f9: expected one of gates_f1, "),
        ("gates_f3", "x.docx", "x.docx: expected a name that ends in one of .csv, "),
        ("sapo_f5", "x.pdf", "sapo_f5: not drawn: needs runs of sapo and of sapo_100 or sapo_095"),
    ):
        with pytest.raises(BadInput, match=re.escape(fault)):
            figure.run(name, "config/small.yaml", Path(out))
    (RESULTS / "analysis/curves.parquet").write_bytes(b"")
    with pytest.raises(BadInput, match="does not match the digest in its record"):
        figure.run("gates_f3", "config/small.yaml", Path("x.pdf"))


def test_a_method_without_a_score_is_named_and_the_others_are_compared(study):
    for path in (SCORES / "heldout.json", SCORES.parent / "seed0/heldout.run.json"):
        path.unlink()
    compared = json.loads(analysed(study).read_text())
    assert len(compared["gaps"]) == 2
    assert {row["method"] for row in compared["comparisons"]} == {"arctan", "softsign"}
    assert verdict("gates_accuracy_gsm8k_erf")["words"].startswith("not run (needs a seed with score of erf and grpo")
    page = reported(study).read_text()
    assert f"<code>{SCORES / 'heldout.json'}</code>" in page
