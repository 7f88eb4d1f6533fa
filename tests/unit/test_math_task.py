"""The laptop's math: problems are right, splits are apart, verdicts cannot be fooled."""

import itertools
import json
import re
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothgates.data import generate
from smoothgates.data.generate import generated
from smoothgates.errors import BadInput
from smoothgates.evaluate.benchmark import pass_at, summarise
from smoothgates.seeds import python_stream
from smoothgates.stages import prepare
from smoothgates.tasks import load_task
from smoothgates.tasks.math.exact import exact
from smoothgates.tasks.tags import last_block
from smoothgates.tasks.task import Example, Generator

EXAMPLE = Example("", "", ("12",))


def test_every_worked_step_is_true(word_problems):
    stream = word_problems.generate(python_stream(0, "problems"))
    for _ in range(3000):
        problem = next(stream)
        ((solution, own),) = word_problems.careful(problem)
        assert own
        steps, boxed = solution.split(r"\boxed{")
        for step in steps.split(","):
            left, right = step.split("=")
            a, sign, b = re.fullmatch(r"(\d+)([-+*])(\d+)", left).groups()
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] == int(right)
        assert boxed == problem.answers[0] + "}"
        assert int(problem.answers[0]) >= 0
        assert exact(solution, problem, truncated=False).reward == 1


def test_hasty_demonstrations_guess(word_problems):
    rng = python_stream(0, "hasty")
    stream = word_problems.generate(python_stream(0, "problems"))
    rewards = []
    for _ in range(3000):
        problem = next(stream)
        ((guess, _),) = word_problems.hasty(problem, rng)
        rewards.append(exact(guess, problem, truncated=False).reward)
    assert 0.05 < sum(rewards) / len(rewards) < 0.12


def test_training_and_heldout_share_no_question(word_problems):
    heldout = {e.question for e in generated(word_problems, 200, True, seed=0)}
    assert len(heldout) == 200
    for seed in (0, 1):
        assert not heldout & {e.question for e in generated(word_problems, 2000, False, seed)}


def test_a_generator_with_too_few_examples_is_named_and_never_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "PATIENCE", 50)
    few = Generator(lambda stream: (Example(str(i % 5), f"{i % 5}", ("1",)) for i in itertools.count()))
    monkeypatch.setitem(load_task("math").generators, "few", few)
    part = {"source": "few", "rows": 6}
    spec = {"task": "math", "train": [part], "benchmarks": {}, "seed": 0}
    with pytest.raises(BadInput, match=r"math\.data: few: rows: 6 asked for, but only 5 distinct ones are"):
        prepare.run(json.dumps(spec), tmp_path / "manifest.json")
    assert not list(tmp_path.iterdir())


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
        (r"\boxed{12}\boxed{13", False, 1, "correct"),
        ("12", False, 0, "unparsable"),
        ("", False, 0, "unparsable"),
        (r"}\boxed{12}", False, 1, "correct"),
        ("\\boxed{\u0661\u0662}", False, 0, "wrong"),
    ],
)
def test_verdicts(completion, truncated, reward, reason):
    verdict = exact(completion, EXAMPLE, truncated)
    assert (verdict.reward, verdict.reason) == (reward, reason)


@given(st.text() | st.lists(st.sampled_from([r"\boxed{", "}", "12", "{", "\\", "\x00"])).map("".join))
@settings(max_examples=500)
def test_any_text_gets_a_verdict(text):
    verdict = exact(text, EXAMPLE, truncated=False)
    assert (verdict.reward == 1) == ((last_block(text, r"\boxed{", "}") or "").strip() == "12")


def sample(problem: int, correct: float) -> dict:
    row = {"problem": problem, "correct": correct, "reward": correct, "reason": "wrong", "tokens": 1, "replies": 0}
    return {**row, "components": {"answer": correct}}


@given(st.integers(1, 6), st.data())
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_correct_sample(n, data):
    right = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    k = data.draw(st.integers(1, n))
    subsets = list(itertools.combinations(right, k))
    assert pass_at(k, n, sum(right)) == pytest.approx(sum(any(s) for s in subsets) / len(subsets))


def test_the_standard_error_is_that_of_problem_means():
    rows = [sample(p, r) for p, r in enumerate([0, 1, 1, 0, 1])]
    repeated = [row for row in rows for _ in range(4)]
    assert summarise(repeated)["standard_error"] == summarise(rows)["standard_error"]
    assert summarise(repeated)["sampling_error"] == 0
    assert summarise(rows)["sampling_error"] is None


def test_the_sampling_error_is_the_spread_of_scores_when_samples_are_drawn_again():
    rng = python_stream(0, "scores")
    chances = [rng.random() for _ in range(40)]

    def draw():
        rows = [(p, float(rng.random() < c)) for p, c in enumerate(chances) for _ in range(4)]
        return summarise([sample(p, r) for p, r in rows])

    drawn = [draw() for _ in range(400)]
    spread = statistics.stdev(found["score"] for found in drawn)
    said = statistics.fmean(found["sampling_error"] for found in drawn)
    assert said == pytest.approx(spread, rel=0.1)
