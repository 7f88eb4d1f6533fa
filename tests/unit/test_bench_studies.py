"""The studies of tests/bench, which measure what others are compared with, load and keep their size."""

from collections import Counter
from pathlib import Path

import pytest

from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.plan.plan import plan
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]
LAPTOP153 = str(ROOT / "tests/bench/laptop153.yaml")


@pytest.mark.parametrize(("name", "runs"), [("laptop153", 153), ("wide", 4)])
def test_a_study_of_the_benchmark_plans_as_many_runs_as_ever(name, runs):
    found = {row.rule: row.jobs for row in plan(load_study(str(ROOT / f"tests/bench/{name}.yaml"))).rows}
    assert found["train"] == runs


def test_the_153_runs_are_those_that_were_timed_first():
    study = load_study(LAPTOP153)
    runs = [job for job in jobs_of(study) if job.rule == "train"]
    assert Counter("/".join(job.name.split("/")[:2]) for job in runs) == {
        "math/near": 27,
        "math/lag4": 27,
        "math/reuse16": 27,
        "math/moe": 12,
        "logic/near": 15,
        "logic/lag4": 15,
        "toolqa/near": 15,
        "toolqa/lag4": 15,
    }
    assert study.config.seeds == (0, 1, 2)
    assert {name: regime.rollouts for name, regime in study.config.regimes.items()} == {
        "near": 16,
        "lag4": 12,
        "reuse16": 8,
        "moe": 12,
    }


@pytest.mark.parametrize("method", ["warm_start", "warm_start_moe", "sft"])
def test_they_start_from_the_policies_of_the_studies_of_today(method):
    kept, today = load_study(LAPTOP153), load_study("evidence", ROOT / "config")
    for task in ("math",) if method == "warm_start_moe" else kept.config.tasks:
        assert kept.policy_spec(task, 0, method) == today.policy_spec(task, 0, method)
