"""The papers' studies: a dry run of each passes, and its rehearsal runs up to its report."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from smoothgates.study.loader import load_study

CONFIG = Path(__file__).parents[2] / "config"
PAPERS = sorted(path.stem for path in CONFIG.glob("*.yaml") if "\nmodel:" in path.read_text())


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_study_would_run(name, papers):
    """A dry run lists every run, without fetching anything."""
    study = load_study(name, papers.folder / "config")
    runs = sum(len(methods) for task in study.config.tasks.values() for methods in task.runs.values()) * len(
        study.config.seeds
    )
    found = papers.pending(study=name)
    assert found["train"] == runs
    assert found["warm_start"] == len(study.config.tasks) * len(study.config.seeds)
    assert found["report"] == 1


@pytest.mark.papers
@pytest.mark.parametrize("name", PAPERS)
def test_a_rehearsal_of_a_paper_study_runs_to_its_report(name, papers, monkeypatch, tmp_path):
    """It needs no hub, mirror or cache, and its page says that it is a rehearsal."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    rehearsal = f"{name}_rehearsal_cpu"
    papers.snakemake("--config", f"study={rehearsal}")
    results = papers.folder / "results" / rehearsal
    study = load_study(rehearsal, papers.folder / "config")
    for task, chosen in study.config.tasks.items():
        ((name, methods),) = chosen.runs.items()
        for method in methods:
            run = results / f"train/{task}/{name}/{method}/seed0"
            model = json.loads((run / "model.json").read_text())
            assert (model["status"], model["spec"]["published"]) == ("finished", True)
            metrics = pd.read_parquet(run / "metrics.parquet")
            regime = study.config.regimes[name]
            assert len(metrics) == regime.rollouts * regime.minibatches * regime.epochs
            assert metrics["grad_norm"].gt(0).any(), "nothing was learnt from"
            experts = study.config.model_of(task).stand_in.experts is not None
            assert metrics.get("routing_churn", pd.Series([None])).notna().any() == experts
    page = (papers.folder / f"reports/{rehearsal}/index.html").read_text()
    assert all(method in page for method in study.methods)
    assert "A rehearsal, not a result." in page
    assert papers.pending(study=rehearsal) == {}
    assert not (papers.folder / "results" / name).exists(), "a rehearsal makes no results of the study itself"
    shutil.rmtree(results)
