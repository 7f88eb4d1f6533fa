"""Outcomes of runs and the course of training, against scipy and slow code."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smoothgates.analysis.bootstrap import hierarchical_interval, redrawn
from smoothgates.analysis.compare import comparisons, summaries
from smoothgates.analysis.outcomes import collapsed, improvement, interquartile_mean, share_interval
from smoothgates.analysis.stability import spike_share

scores = st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=1, max_size=9)


@given(scores, scores)
@settings(max_examples=50)
def test_improvement_is_that_of_all_pairs(one, other):
    pairs = [(x > y) + (x == y) / 2 for x in one for y in other]
    assert improvement(one, other) == pytest.approx(sum(pairs) / len(pairs))
    theirs = stats.mannwhitneyu(one, other, method="asymptotic").statistic / len(pairs)
    assert improvement(one, other) == pytest.approx(theirs)


@given(scores)
@settings(max_examples=50)
def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end(values):
    left_out = len(values) // 4
    kept = sorted(values)[left_out : len(values) - left_out]
    assert interquartile_mean(values) == pytest.approx(sum(kept) / len(kept))


@pytest.mark.parametrize("n", [3, 10])
def test_the_interval_of_a_share_covers_every_share(n):
    found = [share_interval(count, n, 0.95) for count in range(n + 1)]
    assert [each.low for each in found[1:]] == pytest.approx(stats.beta.ppf(0.025, range(1, n + 1), range(n, 0, -1)))
    for share in np.linspace(0, 1, 101):
        inside = sum(stats.binom.pmf(i, n, share) for i, each in enumerate(found) if each.low <= share <= each.high)
        assert inside >= 0.95 - 1e-9


def runs(rows: list[tuple[str, str, int, float, str]]) -> pd.DataFrame:
    columns = ["regime", "method", "seed", "score", "status"]
    frame = pd.DataFrame(rows, columns=columns).assign(task="math", benchmark="heldout", sampling_error=0.0)
    return frame.assign(collapsed=collapsed(frame, {("math", "near"): "warm_start", ("math", "moe"): "warm_start_moe"}))


WARM = [("control", "warm_start", 0, 0.4, "finished"), ("control", "warm_start_moe", 0, 0.2, "finished")]


@pytest.mark.parametrize(
    ("regime", "seed", "score", "status", "expected"),
    [
        ("near", 0, 0.2, "finished", 0.0),  # half is not below half
        ("near", 0, 0.19, "finished", 1.0),
        ("moe", 0, 0.19, "finished", 0.0),  # of its own warm start
        ("moe", 0, 0.09, "finished", 1.0),
        ("near", 0, 0.9, "diverged", 1.0),
        ("near", 0, math.nan, "finished", 1.0),
        ("near", 1, 0.1, "finished", math.nan),  # the warm start of this seed is missing
        ("near", 1, 0.1, "diverged", 1.0),
    ],
)
def test_a_run_collapses_by_its_own_warm_start(regime, seed, score, status, expected):
    found = runs([*WARM, (regime, "erf", seed, score, status)])["collapsed"].tolist()
    assert found == pytest.approx([math.nan, math.nan, expected], nan_ok=True)


def test_collapses_are_counted_where_they_are_known():
    ends = [(0, 0.1), (0, 0.9), (1, 0.1)]
    rows = [("near", "erf", 10 * i + seed, score, "finished") for i, (seed, score) in enumerate(ends)]
    starts = [("control", "warm_start", seed, 0.4, "finished") for seed in (0, 10)]
    found = next(row for row in summaries(runs([*starts, *rows]), 0.95) if row["method"] == "erf")
    assert (found["collapsed"], found["of"]) == (1, 2)
    assert 0 < found["collapse_low"] < 0.5 < found["collapse_high"] < 1
    control = next(row for row in summaries(runs([*starts, *rows]), 0.95) if row["method"] == "warm_start")
    assert "collapsed" not in control


def test_spikes_are_found_among_small_and_broken_norms():
    assert spike_share([1.0] * 9 + [5.1]) == 0.1
    assert spike_share([1.0] * 9 + [4.9]) == 0
    assert spike_share([math.inf, math.nan]) == 1
    assert math.isnan(spike_share([]))


def slowly(differences: np.ndarray, resamples: int) -> list[float]:
    """Means of resamples, drawn one by one."""
    rng, (seeds, problems), means = np.random.default_rng(7), differences.shape, []
    for _ in range(resamples):
        rows, columns = rng.integers(0, seeds, seeds - 1), rng.integers(0, problems, problems - 1)
        means.append(float(np.mean([[differences[i, j] for j in columns] for i in rows])))
    return means


def test_the_bootstrap_is_that_of_slow_code():
    rng = np.random.default_rng(8)
    differences = rng.normal(0, 0.1, (10, 1)) + rng.normal(0, 0.3, 12) + rng.normal(0, 0.1, (10, 12))
    tail = stats.norm.sf(stats.t.ppf(0.975, 9))
    expected = np.quantile(slowly(differences, 4000), [tail, 1 - tail])
    width = expected[1] - expected[0]
    assert hierarchical_interval(differences, 0.95) == pytest.approx(expected, abs=0.06 * width)


def test_means_of_resamples_have_the_variance_of_a_mean():
    values = np.random.default_rng(9).normal(size=10)
    assert np.var(redrawn(10) @ values) == pytest.approx(np.var(values, ddof=1) / 10, rel=0.06)


def test_the_bootstrap_stays_in_range_and_needs_two_seeds():
    one = hierarchical_interval(np.array([[1.0, 0.0], [1.0, 1.0]]), 0.95)
    assert 0 <= one[0] <= one[1] <= 1
    assert hierarchical_interval(np.ones((1, 5)), 0.95) is None
    assert hierarchical_interval(np.ones((5, 1)), 0.95) == (1, 1)


def test_problems_are_paired_by_seed_and_position():
    """Whatever problems share cancels: both methods answer all of them alike, up to a constant."""
    frame = runs([("near", m, seed, s, "finished") for m, s in (("grpo", 0.4), ("erf", 0.5)) for seed in range(4)])
    easy = np.linspace(0, 0.8, 30)
    by_problem = {
        ("math", "heldout", "near", method, seed): easy + more for method, more in (("grpo", 0), ("erf", 0.1))
        for seed in range(4)
    }  # fmt: skip
    row = next(row for row in comparisons(frame, "grpo", 0.95, by_problem) if row["metric"] == "score")
    assert (row["hierarchical_low"], row["hierarchical_high"]) == pytest.approx((0.1, 0.1))
