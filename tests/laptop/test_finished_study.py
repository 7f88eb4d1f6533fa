"""What the finished laptop study must show. Run by `make check`, after `make study`."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

RESULTS, PAGE = Path("results/laptop"), Path("reports/laptop/index.html")
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "2"]


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return pd.read_parquet(RESULTS / "analysis/scores.parquet")


@pytest.fixture(scope="module")
def page() -> str:
    return re.sub(r"<script.*?</script>", "", PAGE.read_text(), flags=re.DOTALL)  # whose code looks like anything


LEARNS = {"math": 0.7, "logic": 0.7, "toolqa": 0.9}
"""The least median of the runs of grpo on old samples."""


def test_rl_learns_on_old_samples(runs):
    learnt = runs[(runs["regime"] == "lag4") & (runs["method"] == "grpo")].groupby("task")["score"].median()
    warm = runs[runs["method"] == "warm_start"].groupby("task")["score"].median()
    for task, reached in LEARNS.items():
        assert learnt[task] >= max(reached, warm[task] + 0.2)


def test_near_on_policy_every_method_learns(runs):
    near = runs[(runs["task"] == "math") & (runs["regime"] == "near")].groupby("method")["score"].mean()
    assert set(near.index) == {"grpo", "none"}
    assert (near >= 0.85).all(), near.to_dict()


def test_the_warm_start_guesses(runs):
    warm = runs[runs["method"] == "warm_start"].set_index("task")["score"]
    for task, least, most in (("math", 0.2, 0.5), ("logic", 0.3, 0.65), ("toolqa", 0.25, 0.65)):
        assert warm[task].between(least, most).all(), (task, warm[task].tolist())


def test_a_policy_that_answers_searches_first(runs):
    searches = runs[(runs["task"] == "toolqa") & (runs["method"] == "grpo")]
    assert searches["no_search"].median() < 0.05
    assert 1.3 <= searches["replies"].median() <= 1.7  # half of the questions have two hops


def test_the_page_has_no_nan(page):
    written = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"\bnan\b", written, re.IGNORECASE)


@pytest.fixture(scope="module")
def compared() -> pd.DataFrame:
    """How each method's score differs from the reference's."""
    found = pd.DataFrame(json.loads((RESULTS / "analysis/comparisons.json").read_text())["comparisons"])
    return found[found["metric"] == "score"]


def test_each_headline_says_what_the_data_can_tell(page, compared):
    """A difference that is established, a bound on all differences that is no larger than 5 points, or neither."""
    headlines = dict(re.findall(r"<h3>(\w+ · \w+)</h3><strong>(.*?)</strong>", page))
    cells = compared.groupby(["task", "regime"])
    assert set(headlines) == {" · ".join(cell) for cell in cells.groups}
    for cell, rows in cells:
        headline, bound = headlines[" · ".join(cell)], 100 * rows["bound"].max()
        if rows["established"].any():
            assert re.search(" differs? from grpo$", headline)
        elif bound <= 5:
            (stated,) = re.findall(r"^No difference above (\d\.\d) points$", headline)
            assert bound <= float(stated) <= bound + 0.1
        else:
            assert headline.startswith("Cannot tell")


def test_differences_are_established(page, compared):
    """Ten seeds can: what the study is for."""
    assert (compared["holm"] >= compared["p"]).all()
    assert (compared["holm"] >= compared["smallest_holm"]).all()
    assert (compared["smallest_holm"] < 0.05).all()
    assert compared.loc[compared["established"], "task"].isin(["math"]).any()
    assert "nothing can be established" not in page


def test_every_run_finished_with_all_its_numbers(runs):
    trained = runs[runs["regime"] != "control"]
    assert trained.groupby(["task", "regime"]).size().to_dict() == {
        ("math", "lag4"): 100,
        ("math", "near"): 20,
        ("logic", "lag4"): 50,
        ("toolqa", "lag4"): 50,
    }
    assert (trained["problems"] >= 512).all()
    assert (trained["samples"] == 4).all()
    finished = trained[trained["status"] == "finished"]
    assert (finished["clamped"] == 0).all()
    assert (finished["timeout"] == 0).all()
    assert finished["max_sampler_gap"].max() < 1e-3


def test_processes_stay_within_their_memory():
    peaks = [json.loads(path.read_text())["peak_mib"] for path in RESULTS.rglob("run.json")]
    assert max(peaks) <= 2048


def test_nothing_is_left_to_do():
    done = subprocess.run([*SNAKEMAKE, "-n"], capture_output=True, text=True, check=True)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_report_alone_takes_seconds():
    began = time.monotonic()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [*SNAKEMAKE, "--forcerun", "report", "--", str(PAGE)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PATH": path})
    assert time.monotonic() - began < 25
