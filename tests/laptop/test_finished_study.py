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


LEARNS = {"math": 0.85, "logic": 0.9, "toolqa": 0.95}
"""The least score that every method reaches near on-policy, as a mean over seeds."""


def test_near_on_policy_every_method_learns(runs):
    near = runs[runs["regime"] == "near"].groupby(["task", "method"])["score"].mean()
    assert near.groupby("task").size().to_dict() == {"math": 9, "logic": 5, "toolqa": 5}
    for task, reached in LEARNS.items():
        assert (near[task] >= reached).all(), near[task].to_dict()


def test_near_on_policy_puzzles_are_learnt(runs):
    near = runs[(runs["task"] == "logic") & (runs["regime"] == "near")]
    assert near["score"].mean() >= 0.93


def test_the_warm_start_guesses(runs):
    warm = runs[runs["method"] == "warm_start"].set_index("task")["score"]
    assert warm["math"].between(0.2, 0.5).all(), warm["math"].tolist()
    assert warm["logic"].between(0.3, 0.65).all(), warm["logic"].tolist()
    assert warm["toolqa"].between(0.25, 0.55).all(), warm["toolqa"].tolist()


def test_supervised_training_continued_is_the_ceiling(runs):
    assert (runs[runs["method"] == "sft"].groupby("task")["score"].mean() > 0.9).all()


def test_a_policy_that_answers_searches_first(runs):
    searches = runs[(runs["task"] == "toolqa") & (runs["regime"] == "near")]
    assert searches["no_search"].max() < 0.05
    assert searches["replies"].between(1.3, 1.7).all()  # half of the questions have two hops


def test_policies_with_experts_learn(runs):
    math = runs[runs["task"] == "math"].groupby(["regime", "method"])["score"].mean()
    assert (math["moe"] >= math["control", "warm_start_moe"] + 0.2).all(), math["moe"].to_dict()


def test_the_page_shows_which_experts_change(page):
    assert '<figure id="routing"' in page


def test_the_page_has_no_nan(page):
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


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


def test_few_seeds_establish_no_difference(page, compared):
    """Three seeds cannot: the smallest p is 0.25."""
    assert (compared["holm"] >= compared["p"]).all()
    assert (compared["holm"] >= compared["smallest_holm"]).all()
    reachable = compared["smallest_holm"] < 0.05
    assert not (compared["established"] & ~reachable).any()
    assert compared["established"].any() == ("Established:" in page)
    assert reachable.all() == ("nothing can be established" not in page)


def test_every_run_finished_with_all_its_numbers(runs):
    trained = runs[runs["regime"] != "control"]
    assert len(trained) == 81 + 30 + 30 + 12
    assert (trained["problems"] >= 512).all()
    assert (trained["samples"] == 4).all()
    assert (trained["clamped"] == 0).all()
    assert (trained["timeout"] == 0).all()
    assert trained["max_sampler_gap"].max() < 1e-3


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
    assert time.monotonic() - began < 20
