"""Studies with known effects: what is established, bounded or said to be visible is right as often as it claims."""

import numpy as np
import pytest

from smoothgates.analysis.bootstrap import hierarchical_interval
from smoothgates.analysis.rule import Compared, judge
from smoothgates.analysis.statistics import detectable_difference, equivalence_bound, holm, sign_flip_p
from tests.bench.growth import analysis_seconds

STUDIES = 600
SPREAD = 0.02
"""Standard deviation of the scores of a method between seeds, beside what the methods of a seed share."""


def slack(rate: float) -> float:
    """Three standard errors of this rate over so many studies."""
    return float(3 * (rate * (1 - rate) / STUDIES) ** 0.5)


def heavy(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Differences of methods that collapse now and then, each as often as the other."""
    return np.asarray(rng.normal(0, SPREAD, size) + rng.choice([-0.7, 0.0, 0.7], size, p=[0.1, 0.8, 0.1]))


def normal(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.normal(0, SPREAD, size)


@pytest.mark.parametrize("draw", [normal, heavy])
@pytest.mark.parametrize("seeds", [3, 10, 16])
def test_false_differences_are_rare_in_a_family(draw, seeds):
    """The test asks for symmetry only: runs that collapse do not break it. Nor do real differences in the family."""
    rng, wrong = np.random.default_rng(2), {0: 0, 2: 0}
    for _ in range(STUDIES):
        drawn = draw(rng, (6, seeds))
        for real in wrong:
            shifted = drawn + 3 * (np.arange(6) < real)[:, None]
            adjusted = holm([sign_flip_p(row.tolist()) for row in shifted])
            wrong[real] += min(adjusted[real:]) < 0.05
            assert max([0, *adjusted[:real]]) < 0.05 or seeds == 3
    assert max(wrong.values()) / STUDIES <= 0.05 + slack(0.05)


@pytest.mark.parametrize(("seeds", "family"), [(8, 1), (10, 9), (13, 4), (20, 9)])
def test_the_stated_power_is_reached(seeds, family):
    """A first study says what it would see. A second one, with an effect of this size, sees it as often as stated."""
    rng, seen = np.random.default_rng(3), 0
    for first, second in rng.normal(0, SPREAD, (STUDIES, 2, seeds)):
        effect = detectable_difference(first.tolist(), 0.95, 0.8, family=family)
        seen += family * sign_flip_p((second + effect).tolist()) < 0.05
    assert seen / STUDIES == pytest.approx(0.8, abs=slack(0.8))


@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("effect", [0.0, 0.01, -0.1])
def test_the_bound_of_an_equivalence_covers_at_its_rate(seeds, effect):
    rng = np.random.default_rng(4)
    bounds = [equivalence_bound(row.tolist(), 0.95) for row in rng.normal(effect, SPREAD, (STUDIES, seeds))]
    outside = sum(abs(effect) > bound for bound in bounds) / STUDIES
    assert outside <= 0.05 + slack(0.05)
    if abs(effect) > SPREAD:  # both signs of a small mean are possible, and the bound covers both
        assert outside >= 0.05 - slack(0.05)


def test_the_largest_bound_covers_all_methods_together():
    """Without correction for their number: the headline of a regime states it."""
    rng, outside, effects = np.random.default_rng(5), 0, np.array([0.05, -0.05, 0.05, 0.0])
    for _ in range(STUDIES):
        reference = rng.normal(0, SPREAD, 10)
        drawn = effects[:, None] + rng.normal(0, SPREAD, (4, 10)) - reference
        outside += max(equivalence_bound(row.tolist(), 0.95) for row in drawn) < 0.05
    assert outside / STUDIES <= 0.05 + slack(0.05)


@pytest.mark.parametrize(("seeds", "of_seed", "noise"), [(5, 0.1, 0.1), (10, 0.1, 0.1), (10, 0.03, 0.5)])
def test_the_bootstrap_covers_other_seeds_and_other_problems(seeds, of_seed, noise):
    rng, inside = np.random.default_rng(6), 0
    for _ in range(STUDIES):
        shared = rng.normal(0, 0.2, 64) + rng.normal(0, of_seed, (seeds, 1))
        low, high = hierarchical_interval(0.04 + shared + rng.normal(0, noise, (seeds, 64)), 0.95)
        inside += low <= 0.04 <= high
    assert inside / STUDIES >= 0.95 - slack(0.05)
    if of_seed > noise / 2:  # otherwise it is known to be too wide
        assert inside / STUDIES <= 0.95 + 2 * slack(0.05)


EFFECTS = (0.0, 0.0, 0.0, 0.08, -0.08, 0.0, 0.0, 0.0)
"""True effects of the claims of a family. All say `above`: where an effect is 0, `holds` and `opposite` are false."""


def family(rng: np.random.Generator, draw, effects: tuple[float, ...], seeds: int = 10) -> list[Compared]:
    """Claims about methods that are all compared with the runs of one reference, as those of a study are."""
    reference = draw(rng, (1, seeds))
    drawn = np.array(effects)[:, None] + draw(rng, (len(effects), seeds)) - reference
    return [Compared(tuple(row.tolist()), 0.0, "above", 0.02) for row in drawn]


@pytest.mark.parametrize("draw", [normal, heavy])
@pytest.mark.parametrize("effects", [(0.0,) * 8, EFFECTS])
def test_verdicts_on_nulls_are_rarely_wrong_in_a_family(draw, effects):
    """Any `holds` or `opposite` about an effect of 0 is wrong, and so is the other one about a real effect."""
    rng, wrong, found = np.random.default_rng(7), 0, 0
    for _ in range(STUDIES):
        kinds = [each.kind for each in judge(family(rng, draw, effects), 0.95)]
        truths = ["holds" if effect > 0 else "opposite" if effect < 0 else None for effect in effects]
        told = [(kind, truth) for kind, truth in zip(kinds, truths, strict=True) if kind in ("holds", "opposite")]
        wrong += any(kind != truth for kind, truth in told)
        found += any(kind == truth for kind, truth in told)
    assert wrong / STUDIES <= 0.05 + slack(0.05)
    assert draw is heavy or found / STUDIES >= 0.99 * any(effects)


def test_a_claim_that_a_study_would_see_holds_in_the_next_one():
    """The words `would see X at 80 % power` are about the whole rule: Holm's family, the direction, the kind."""
    rng, seen = np.random.default_rng(8), 0
    for _ in range(STUDIES):
        effect = judge(family(rng, normal, (0.0,) * 8), 0.95)[0].detectable
        seen += judge(family(rng, normal, (effect, *[0.0] * 7)), 0.95)[0].kind == "holds"
    assert 0.8 - slack(0.8) <= seen / STUDIES <= 0.8 + 2 * slack(0.8)


@pytest.mark.parametrize("seeds", [5, 10])
def test_no_effect_is_rarely_said_of_an_effect_as_large_as_the_margin(seeds):
    """The worst case of the equivalence test; its bound also covers the true effect at its rate."""
    rng, said, outside = np.random.default_rng(9), 0, 0
    for row in 0.02 + rng.normal(0, SPREAD, (STUDIES, seeds)):
        (found,) = judge([Compared(tuple(row.tolist()), 0.0, "above", 0.02)], 0.95)
        said += found.kind == "no effect"
        outside += found.bound < 0.02
    assert said / STUDIES <= 0.05 + slack(0.05)
    assert 0.05 - slack(0.05) <= outside / STUDIES <= 0.05 + slack(0.05)


def test_thirty_seeds_are_analysed_in_seconds():
    """2³⁰ patterns of signs would take hours; ten seeds have 2¹⁰."""
    ten, thirty = analysis_seconds(10), analysis_seconds(30)
    assert thirty < 10 * max(ten, 0.1)
