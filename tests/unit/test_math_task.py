"""The laptop's math: problems are right, splits are apart, verdicts cannot be fooled."""

import re
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothgates.evaluate.benchmark import summarise
from smoothgates.seeds import python_stream
from smoothgates.specs import PrepareSpec
from smoothgates.stages.prepare import split
from smoothgates.tasks import TASKS, Problem
from smoothgates.tasks.math.verify import last_boxed, verify

PROBLEM = Problem("", "12", "")


def test_every_worked_step_is_true():
    stream = TASKS["math"].generate(python_stream(0, "problems"))
    for _ in range(3000):
        problem = next(stream)
        steps, boxed = problem.careful.split(r"\boxed{")
        for step in steps.split(","):
            left, right = step.split("=")
            a, sign, b = re.fullmatch(r"(\d+)([-+*])(\d+)", left).groups()
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] == int(right)
        assert boxed == problem.answer + "}"
        assert int(problem.answer) >= 0
        assert verify(problem.careful, problem, truncated=False).reward == 1


def test_hasty_demonstrations_guess():
    rng = python_stream(0, "hasty")
    stream = TASKS["math"].generate(python_stream(0, "problems"))
    rewards = []
    for _ in range(3000):
        problem = next(stream)
        rewards.append(verify(TASKS["math"].hasty(problem, rng), problem, truncated=False).reward)
    assert 0.05 < sum(rewards) / len(rewards) < 0.12


def test_training_and_heldout_share_no_question():
    train, heldout = split(PrepareSpec(task="math", train=2000, heldout=200, seed=0))
    other_train, _ = split(PrepareSpec(task="math", train=2000, heldout=1, seed=1))
    questions = {p.question for p in heldout}
    assert len(questions) == 200
    assert not questions & {p.question for p in train}
    assert not questions & {p.question for p in other_train}


@pytest.mark.parametrize(
    ("completion", "truncated", "reward", "reason"),
    [
        (r"2*6=12\boxed{12}", False, 1, "correct"),
        (r"\boxed{12}", True, 0, "truncated"),
        (r"\boxed{13}", False, 0, "wrong"),
        (r"\boxed{12}\boxed{13}", False, 0, "wrong"),
        (r"\boxed{13}\boxed{12}", False, 1, "correct"),
        (r"\boxed{012}", False, 0, "wrong"),
        (r"\boxed{}", False, 0, "wrong"),
        (r"\boxed{12", False, 0, "unparsable"),
        ("12", False, 0, "unparsable"),
        ("", False, 0, "unparsable"),
        (r"}\boxed{12}", False, 1, "correct"),
        ("\\boxed{\u0661\u0662}", False, 0, "wrong"),
    ],
)
def test_verdicts(completion, truncated, reward, reason):
    verdict = verify(completion, PROBLEM, truncated)
    assert (verdict.reward, verdict.reason) == (reward, reason)


@given(st.text() | st.lists(st.sampled_from([r"\boxed{", "}", "12", "{", "\\", "\x00"])).map("".join))
@settings(max_examples=500)
def test_any_text_gets_a_verdict(text):
    verdict = verify(text, PROBLEM, truncated=False)
    assert (verdict.reward == 1) == (last_boxed(text) == "12")


def test_the_standard_error_is_that_of_problem_means():
    rows = [{"problem": p, "reward": r, "reason": "wrong", "tokens": 1} for p, r in enumerate([0, 1, 1, 0, 1])]
    repeated = [row for row in rows for _ in range(4)]
    assert summarise(repeated)["standard_error"] == summarise(rows)["standard_error"]
    assert summarise(repeated)["sampling_error"] == 0
    assert summarise(rows)["sampling_error"] is None


def test_the_sampling_error_is_the_spread_of_scores_when_samples_are_drawn_again():
    rng = python_stream(0, "scores")
    chances = [rng.random() for _ in range(40)]

    def draw():
        rows = [(p, float(rng.random() < c)) for p, c in enumerate(chances) for _ in range(4)]
        return summarise([{"problem": p, "reward": r, "reason": "wrong", "tokens": 1} for p, r in rows])

    drawn = [draw() for _ in range(400)]
    spread = statistics.stdev(found["score"] for found in drawn)
    said = statistics.fmean(found["sampling_error"] for found in drawn)
    assert said == pytest.approx(spread, rel=0.1)
