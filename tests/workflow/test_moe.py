"""A study with experts: policies with experts have their own warm start, and the report shows their routing."""

import json

import pandas as pd

from smoothgates.io.files import digest

RUNS = "results/moe/train/math"


def test_runs_with_experts_start_from_the_warm_start_with_experts(sparse):
    starts = {"sparse": f"{RUNS}/control/warm_start_moe", "near": "results/moe/policy/math"}
    for regime, start in starts.items():
        run = json.loads((sparse.folder / f"{RUNS}/{regime}/grpo/seed0/model.json").read_text())
        assert run["start_sha256"] == digest(sparse.folder / f"{start}/seed0/model.json")
        config = json.loads((sparse.folder / f"{start}/seed0/weights/config.json").read_text())
        assert config["model_type"] == {"sparse": "qwen3_moe", "near": "qwen2"}[regime]


def test_runs_with_experts_log_their_routes(sparse):
    metrics = {
        arm: pd.read_parquet(sparse.folder / f"{RUNS}/{arm}/seed0/metrics.parquet")
        for arm in ("near/grpo", "sparse/grpo", "sparse/grpo_r2")
    }
    assert "routing_churn" not in metrics["near/grpo"]
    for arm in ("sparse/grpo", "sparse/grpo_r2"):
        made = metrics[arm].dropna(subset=["loss"])
        assert len(made)
        assert made["routing_churn"].between(0, 1).all()
        assert made["routing_drift"].max() > 0


def test_the_report_shows_where_tokens_go(sparse):
    page = (sparse.folder / "reports/moe/index.html").read_text()
    assert '<figure id="routing"' in page
    assert "changed by one update" in (sparse.folder / "reports/moe/figures/routing.svg").read_text()
    table = pd.read_csv(sparse.folder / "reports/moe/tables/routing.csv")
    assert table["method"].tolist() == ["grpo", "grpo_r2"]
    assert table["routing_churn"].between(table["routing_churn_min"], table["routing_churn_max"]).all()


def test_the_start_with_experts_is_a_control(sparse):
    scores = pd.read_parquet(sparse.folder / "results/moe/analysis/scores.parquet")
    assert {"warm_start", "warm_start_moe"} == set(scores[scores["regime"] == "control"]["method"])
    assert sparse.pending(study="moe") == {}
    assert "warm_start_moe math/control/warm_start_moe/seed0" in [
        f"{job.rule} {job.name}" for job in sparse.jobs("moe")
    ]
