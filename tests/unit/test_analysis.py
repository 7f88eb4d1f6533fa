"""Statistics against scipy and by hand; findings never claim more than the data."""

import itertools
import math
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smoothgates.analysis.compare import comparisons, summaries, too_large
from smoothgates.analysis.stability import drawdown
from smoothgates.analysis.statistics import (
    MOST_EXACT,
    detectable_difference,
    equivalence_bound,
    holm,
    nth_largest_of_means,
    sign_flip_p,
    smallest_p,
    t_interval,
)
from smoothgates.report.findings import findings
from smoothgates.report.tables import answers_table
from smoothgates.report.text import as_text

numbers = st.lists(
    st.integers(-64, 64).map(lambda n: n / 64), min_size=2, max_size=8
)  # sums are exact, so equal sums compare equal


@given(numbers)
@settings(max_examples=100)
def test_t_interval_is_scipys(values):
    found = t_interval(values, 0.9)
    sem = stats.sem(values)
    if sem > 1e-12:
        low, high = stats.t.interval(0.9, len(values) - 1, loc=np.mean(values), scale=sem)
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-12)


@given(numbers)
@settings(max_examples=50, deadline=None)
def test_sign_flip_is_scipys_permutation_test(values):
    theirs = stats.permutation_test(
        (np.array(values),), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(values) == pytest.approx(theirs.pvalue, abs=1e-9)


def test_sign_flip_is_exact_for_thirty_seeds_and_normal_for_hundreds():
    """All patterns of thirty signs would take minutes, and those of hundreds for ever."""
    assert sign_flip_p([0.1] * 30) == 2 * 0.5**30
    assert sign_flip_p([0.1, -0.1] * 15) == 1
    generator = random.Random(0)
    for count in (MOST_EXACT, MOST_EXACT + 1, 1000):
        differences = [generator.gauss(1 / math.sqrt(count)) for _ in range(count)]
        drawn = [abs(sum(generator.choice((-d, d)) for d in differences)) for _ in range(4000)]
        share = sum(total >= abs(sum(differences)) for total in drawn) / len(drawn)
        assert sign_flip_p(differences) == pytest.approx(share, abs=0.05)


@given(numbers)
@settings(max_examples=50)
def test_p_is_never_below_the_smallest(values):
    assert sign_flip_p(values) >= smallest_p(len(values))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
@settings(max_examples=50)
def test_holm_lies_between_none_and_bonferroni(p_values):
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted <= min(1, len(p_values) * p) + 1e-12


def by_closure(p_values: list[float]) -> list[float]:
    """Holm's correction as the closure of Bonferroni's: the largest p of all sets of hypotheses with a member."""
    every = range(len(p_values))
    sets = [chosen for size in every for chosen in itertools.combinations(every, size + 1)]
    worst = {chosen: min(1, len(chosen) * min(p_values[i] for i in chosen)) for chosen in sets}
    return [max(p for chosen, p in worst.items() if i in chosen) for i in every]


def by_patterns(differences: list[float]) -> float:
    """The sign-flip test, pattern by pattern."""
    patterns = itertools.product((1, -1), repeat=len(differences))
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in patterns]
    return sum(abs(each) >= abs(sum(differences)) - 1e-9 for each in sums) / len(sums)


def test_what_is_established_is_what_slow_code_says():
    generator, found = random.Random(1), set()
    for _ in range(30):
        base = [generator.gauss(0.5, 0.1) for _ in range(8)]
        shifts = {f"m{i}": generator.choice([0, 0.05, -0.1]) for i in range(4)}
        scores = {name: [x + generator.gauss(shift, 0.05) for x in base] for name, shift in shifts.items()}
        rows = [r for r in comparisons(table({"grpo": base} | scores, 0.0), "grpo", 0.95) if r["metric"] == "score"]
        differences = [[x - y for x, y in zip(values, base, strict=True)] for values in scores.values()]
        expected = by_closure(list(map(by_patterns, differences)))
        assert [row["holm"] for row in rows] == pytest.approx(expected, abs=1e-12)
        assert [row["established"] for row in rows] == [p < 0.05 for p in expected]
        found |= {row["established"] for row in rows}
    assert found == {False, True}


def test_the_visible_effect_of_a_simulated_study_is_where_its_test_turns():
    """For each row of z, an effect just above establishes a difference, and one just below does not."""
    z = np.random.default_rng(0).standard_normal((20, 7))
    for allowed in (1, 2, 5):
        for row, needed in zip(z, nth_largest_of_means(-z, allowed), strict=True):
            least = 2 * allowed / 2**7
            assert by_patterns((row + needed + 1e-6).tolist()) <= least < by_patterns((row + needed - 1e-6).tolist())


def test_one_seed_has_no_interval():
    assert t_interval([0.5], 0.95).low is None
    assert equivalence_bound([0.5], 0.95) is detectable_difference([0.5], 0.95) is None


def test_drawdown_of_a_rising_run_is_zero():
    assert drawdown([0.1, 0.2, 0.3, 0.4, 0.5]) == 0
    assert drawdown([0.5]) == 0


def table(effect: dict[str, list[float]], noise: float) -> pd.DataFrame:
    rows = []
    for method, scores in effect.items():
        for seed, score in enumerate(scores):
            rows.append(
                {
                    "task": "math", "benchmark": "heldout", "regime": "near", "method": method, "seed": seed,
                    "score": score,
                    "sampling_error": noise, "mean_reward": score, "drawdown": 0.1, "mean_kl": math.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def compare(effect, noise=0.0):
    runs = table(effect, noise)
    return pd.DataFrame(summaries(runs, 0.95)), pd.DataFrame(comparisons(runs, "grpo", 0.95))


def test_comparisons_are_paired_by_seed():
    _, found = compare({"grpo": [0.5, 0.7, 0.9], "erf": [0.55, 0.75, 0.95]})
    row = found[found["metric"] == "score"].iloc[0]
    assert row["difference"] == pytest.approx(0.05)
    assert row["high"] - row["low"] == pytest.approx(0, abs=1e-9)
    assert (row["p"], row["smallest_p"]) == (0.25, 0.25)


def test_without_a_sampling_error_intervals_use_the_spread_over_seeds():
    """With one sample per problem the sampling error is NaN; the interval must not become NaN."""
    summary, found = compare({"grpo": [0.5, 0.7, 0.9], "erf": [0.6, 0.7, 0.8]}, noise=math.nan)
    row = found[found["metric"] == "score"].iloc[0]
    assert row["low"] < row["difference"] < row["high"]
    assert summary.loc[summary["metric"] == "score", ["low", "high"]].notna().all(axis=None)


def test_a_seed_that_one_method_lacks_is_left_out():
    _, found = compare({"grpo": [0.5, 0.7, 0.9], "erf": [0.6, 0.8]})
    assert found[found["metric"] == "score"].iloc[0]["n"] == 2


def test_three_seeds_establish_nothing_however_large_the_effect():
    summary, found = compare({"grpo": [0.80, 0.81, 0.82], "none": [0.10, 0.15, 0.02]})
    assert not found["established"].any()
    assert (found["holm"] >= found["p"]).all()
    (finding,) = findings(summary, found, "grpo", 0.95)
    assert finding.headline == "Cannot tell: 3 seeds can establish nothing"
    assert "The smallest possible p of a single comparison with 3 seeds is 0.25." in finding.detail
    assert "exclude 0: none below grpo" in finding.detail


def test_a_small_bound_is_stated_and_never_rounded_down():
    summary, found = compare({"grpo": [0.80, 0.90, 0.85], "erf": [0.81, 0.90, 0.85], "sapo": [0.8, 0.9, 0.86]})
    (finding,) = findings(summary, found, "grpo", 0.95)
    bound = found.loc[found["metric"] == "score", "bound"].max()
    stated = float(finding.headline.removeprefix("No difference above ").removesuffix(" points"))
    assert 100 * bound <= stated <= 100 * bound + 0.1
    assert f"No difference above {stated} points from grpo (95 % equivalence test for each)" in finding.detail


def test_distant_means_over_few_seeds_are_not_called_different():
    summary, found = compare({"grpo": [0.80, 0.90, 0.85], "erf": [0.82, 0.40, 0.75]})
    (finding,) = findings(summary, found, "grpo", 0.95)
    assert finding.headline == "Cannot tell: 3 seeds can establish nothing"
    assert "exclude 0" not in finding.detail


def test_a_spread_below_the_sampling_noise_is_replaced_by_the_noise():
    lucky = {"grpo": [0.930, 0.950, 0.910], "erf": [0.912, 0.933, 0.891]}
    _, believed = compare(lucky, noise=0.0)
    _, doubted = compare(lucky, noise=0.006)
    score = [found[found["metric"] == "score"].iloc[0] for found in (believed, doubted)]
    assert score[0]["high"] < 0 < score[1]["high"]
    assert score[0]["bound"] < 0.02 < score[1]["bound"]


def test_methods_that_score_the_same_are_not_called_equivalent():
    """No update was made, or the gates never acted."""
    summary, found = compare({"grpo": [0.1, 0.2, 0.3], "erf": [0.1, 0.2, 0.3]}, noise=0.001)
    (finding,) = findings(summary, found, "grpo", 0.95)
    assert finding.headline == "All methods score the same"


def test_a_family_too_large_for_its_seeds_is_named():
    """Ten seeds reach 0.05 with 25 comparisons (25 × 2/1024), and not with 26."""
    base = [0.5 + i / 100 for i in range(10)]
    for others, lines in ((25, 0), (26, 1)):
        runs = table({"grpo": base} | {f"m{i}": [x - 0.3 for x in base] for i in range(others)}, 0.0)
        found = comparisons(runs, "grpo", 0.95)
        warned = too_large(found, 0.95)
        assert len(warned) == lines
        assert [row["established"] for row in found if row["metric"] == "score"] == [not lines] * others
    assert warned[0].startswith("math/heldout/near: nothing can be established")
    assert "26 × 2/2^10" in warned[0]


def test_intervals_of_shares_are_shares():
    summary, _ = compare({"grpo": [0.80, 0.99, 0.95], "erf": [0.1, 0.02, 0.3]})
    score = summary[summary["metric"] == "score"]
    assert score["low"].min() >= 0
    assert score["high"].max() <= 1
    _, found = compare({"grpo": [0.99, 0.9], "erf": [0.1, 0.8], "sapo": [0.9, 0.0]})
    score = found[found["metric"] == "score"]
    assert (score["low"] == -1).all()
    assert (score["high"] <= 1).all()
    assert (score["bound"] == 1).all()


def test_with_many_seeds_an_unestablished_difference_says_what_would_be_seen():
    base = [0.80, 0.82, 0.79, 0.81, 0.83, 0.80, 0.78]
    summary, found = compare({"grpo": base, "erf": [x + (-1) ** i * 0.1 for i, x in enumerate(base)]})
    (finding,) = findings(summary, found, "grpo", 0.95)
    assert finding.headline == "Cannot tell (would see 16.3 points)"
    assert "establish nothing" not in finding.detail


def test_a_single_method_is_compared_with_nothing():
    summary, found = compare({"grpo": [0.5, 0.6], "erf": [0.5, 0.6]})
    (finding,) = findings(summary[summary["method"] == "grpo"], found.iloc[:0], "grpo", 0.95)
    assert finding.headline == "No comparison here"


def test_enough_seeds_can_establish_an_effect():
    base = [0.80, 0.82, 0.79, 0.81, 0.83, 0.80, 0.78]
    summary, found = compare({"grpo": base, "none": [x - 0.1 - i * 0.001 for i, x in enumerate(base)]})
    assert found[found["metric"] == "score"].iloc[0]["established"]
    (finding,) = findings(summary, found, "grpo", 0.95)
    assert "Established: none −10.3 points" in finding.detail


def test_missing_metrics_are_left_out():
    summary, _ = compare({"grpo": [0.5, 0.6], "erf": [0.5, 0.6]})
    assert "mean_kl" not in set(summary["metric"])


def test_a_policy_that_stopped_searching_is_shown():
    """It has a rate if another policy of the task searches; a task without tools has none."""
    common = {"benchmark": "heldout", "regime": "near", "seed": 0, "score": 0.5, "standard_error": 0.1,
              "sampling_error": 0.1, "truncated": 0.0, "unparsable": 0.0, "timeout": 0.0, "tokens": 9.0}  # fmt: skip
    rows = [("toolqa", "grpo", 1.5, 0.0), ("toolqa", "sapo", 0.0, 1.0), ("math", "grpo", 0.0, 1.0)]
    runs = pd.DataFrame(
        [{**common, "task": t, "method": m, "replies": r, "no_search": without} for t, m, r, without in rows]
    )
    table = answers_table(runs, ["grpo", "sapo"])
    assert table["no_search"].isna().tolist() == [False, False, True]
    shown = as_text("answers", table).set_index(["task", "method"])["no search %"]
    assert shown["toolqa", "sapo"] == "100.0"
    assert shown["math", "grpo"] == "–"
