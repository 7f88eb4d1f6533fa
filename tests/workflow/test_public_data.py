"""A study of public data runs through every rule, from prepare to report, with an untrained policy."""

import json

import pandas as pd
import pytest

CELLS = [("math", "gsm8k", 1319), ("math", "math500", 500), ("logic", "kk_dev", 500), ("toolqa", "musique", 100)]


@pytest.mark.parametrize(("task", "benchmark", "rows"), CELLS)
def test_benchmarks_are_answered_and_judged(task, benchmark, rows, public):
    results = public.folder / "results/public"
    data = json.loads((results / f"data/{task}/manifest.json").read_text())
    assert data["overlap"][benchmark]["benchmark"] == rows
    folder = results / f"evaluate/{task}/near/grpo/seed0"
    final = json.loads((folder / f"{benchmark}.json").read_text())["final"]
    samples = pd.read_parquet(folder / "samples.parquet", filters=[("benchmark", "==", benchmark)])
    assert (final["problems"], final["samples"], len(samples)) == (8, 2, 16)
    assert final["score"] == samples["correct"].mean() == 0  # an untrained policy solves nothing
    assert (samples["reason"].isin(["truncated", "unparsable", "wrong"])).all()
    assert samples["prompt"].str.len().min() > 60
    assert samples["answer"].str.len().min() > 0


def test_rewards_are_those_of_the_papers(public):
    results = public.folder / "results/public"
    lowest = {"math": 0.0, "logic": -3.0, "toolqa": -1.0}
    for task, benchmark in (("math", "gsm8k"), ("logic", "kk_dev"), ("toolqa", "musique")):
        samples = pd.read_parquet(results / f"evaluate/{task}/near/grpo/seed0/samples.parquet/{benchmark}.parquet")
        assert samples["reward"].min() == lowest[task]
        metrics = pd.read_parquet(results / f"train/{task}/near/grpo/seed0/metrics.parquet")
        assert metrics["reward"].between(lowest[task], 3).all()


def test_components_of_rewards_are_kept(public):
    """F1 as well as exact match, format as well as answer: for each sample and as means."""
    results = public.folder / "results/public/evaluate"
    for task, benchmark, names in (
        ("math", "gsm8k", {"answer", "format"}),
        ("logic", "kk_dev", {"answer", "format"}),
        ("toolqa", "musique", {"em", "f1"}),
    ):
        folder = results / f"{task}/near/grpo/seed0"
        samples = pd.read_parquet(folder / f"samples.parquet/{benchmark}.parquet")["components"]
        final = json.loads((folder / f"{benchmark}.json").read_text())["final"]
        for name in names:
            assert final[f"component_{name}"] == samples.map(lambda found, name=name: found[name]).mean()


def test_training_data_are_mixed_in_equal_numbers(public):
    manifest = public.folder / "results/public/data/math/manifest.json"
    train = pd.read_parquet(manifest.parent / "train.parquet")
    assert len(train) == 400
    assert train["id"].str.startswith("gsm8k").sum() == 200
    assert json.loads(manifest.read_text())["sources"]["gsm8k_test"]["rows"] == 1319


def test_searches_go_to_the_index(public):
    manifest = json.loads((public.folder / "results/public/index/passages/manifest.json").read_text())
    assert manifest["passages"] == 1043 + 1933
    model = json.loads((public.folder / "results/public/train/toolqa/near/grpo/seed0/model.json").read_text())
    assert model["index_sha256"]
    samples = pd.read_parquet(public.folder / "results/public/evaluate/toolqa/near/grpo/seed0/samples.parquet")
    assert samples["replies"].sum() > 0
    assert samples.loc[samples["replies"] > 0, "completion"].str.contains("<information>").all()


def test_the_report_shows_every_benchmark(public):
    page = (public.folder / "reports/public/index.html").read_text()
    for name in ("gsm8k", "math500", "kk_dev", "musique", "hotpotqa_distractor_train100"):
        assert name in page


def test_a_finished_study_of_public_data_has_nothing_to_do(public):
    assert public.pending(study="public") == {}


def test_another_mirror_is_other_data(public, tmp_path):
    """Content decides: a mirror that moved triggers `prepare` alone, whose result is the same."""
    moved = public.copy(tmp_path / "moved")
    (moved.folder / "elsewhere").symlink_to((moved.folder / "mirror").resolve())
    moved.edit("config/public.yaml", "data_mirror: mirror", "data_mirror: elsewhere")
    assert "prepare" in moved.pending(study="public")
    moved.snakemake("--config", "study=public", "--until", "prepare")
    assert moved.pending(study="public") == {}
