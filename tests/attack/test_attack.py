"""Random strings, hill-climbing and near misses earn no reward; right answers in other forms keep theirs."""

from collections import Counter
from functools import cache
from random import Random

import mpmath
import pytest

from . import __main__ as main
from .__main__ import attack
from .climb import climb, wins
from .golds import golds, judged
from .grammar import DIGITS, answer
from .plant import RIGHT, WRONG, plain


@cache
def distinct() -> list[str]:
    return sorted(set(golds()))


@pytest.fixture(autouse=True)
def _precision():
    with mpmath.workdps(DIGITS):
        yield


def test_random_strings_earn_a_reward_only_if_equal_to_200_digits():
    """100 strings against 20 golds; `make attack` takes 2,000 against 200."""
    found = attack([*Random(1).sample(distinct(), 18), "2", "12"], strings=100, seed=0)
    assert found["rewards"] > 0
    assert found["bought"] == []


def test_the_independent_check_finds_wrong_answers_that_are_accepted(monkeypatch):
    """If the verifier accepted everything, the attack would report it."""
    monkeypatch.setattr(main, "judged", lambda golds, text: True)
    assert len(attack(["2", "12"], strings=20, seed=0)["bought"]) > 30


def test_climbing_finds_nothing_better_than_a_lucky_constant():
    few = golds()[::40]
    lucky = max(wins(Counter(few), (constant,)) for constant in set(few) if plain(constant))
    assert 0 < climb(few, Random(0), steps=150)[1] <= lucky


EXPLAINED = {
    (r"\$\dfrac23 \approx \$0.67", r"\$\dfrac23 \approx \$0."): "what follows ≈ is not read",
    (r"\$306,\!956.63", r"\$306,\!956.63 + "): "a decimal of six digits stands for what rounds to it",
    ("(-1)^{\\lceil n/2 \\rceil-1}", "(-1)^{\\lceil n/2 \\rceil+1}"): "the exponents differ by two: it is right",
}
"""Beginnings of gold and answer of the near misses that are accepted, and why."""


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_answers_near_right_ones_earn_nothing(kind):
    """None near plain numbers is accepted; elsewhere at most one in a thousand, each explained."""
    planted, accepted = 0, []
    for gold in distinct() if kind not in ("hedge", "tiny") else distinct()[::4]:
        for own, wrong in WRONG[kind](gold, Random(gold)):
            planted += 1
            if judged(own, wrong):
                accepted.append((own, wrong))
    assert planted >= 100
    assert [pair for pair in accepted if plain(pair[0])] == []
    assert [pair for pair in accepted if not any(_begins(pair, known) for known in EXPLAINED)] == []
    assert len(accepted) <= 0.001 * planted


@pytest.mark.parametrize("kind", RIGHT)
def test_right_answers_in_other_forms_keep_their_reward(kind):
    written, refused = 0, []
    for gold in distinct():
        for own, right in RIGHT[kind](gold, Random(gold)):
            written += 1
            if not judged(own, right):
                refused.append((own, right))
    assert written >= 50
    assert len(refused) <= 0.02 * written, refused


def _begins(pair: tuple[str, str], known: tuple[str, str]) -> bool:
    return all(text.startswith(start) for text, start in zip(pair, known))


def test_the_grammar_writes_what_the_verifier_reads():
    """Most strings that have a value earn the reward for that value, or the attack would test nothing."""
    rng, read = Random(3), []
    while len(read) < 200:
        written = answer(rng)
        if written.values and len(written.values) == 1:
            (value,) = written.values
            gold = str(int(value)) if mpmath.isint(value) else mpmath.nstr(value, 30, min_fixed=-100, max_fixed=100)
            read.append(judged(gold, written.text) or "x = " in written.text)
    assert sum(read) > 150
