"""Contamination: what was trained on is found, however it is spelt, and phrases are not taken for problems."""

import json
import time
from pathlib import Path

from smoothgates.data.contamination import COMMON, overlap

DATA = Path("../shared/data")


def questions(name: str) -> list[str]:
    return [json.loads(line)["question"] for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]


def words(number: int, start: int = 0) -> str:
    return " ".join(f"w{i}" for i in range(start, start + number))


def test_spelling_makes_no_difference_to_the_same_question():
    report = overlap(["What  is 2 + 2?\n"], ["what is 2 + 2", "What is 2 + 3?"])
    assert report == {"train": 1, "benchmark": 2, "exact": 1, "ngram": 0, "first": [0]}


def test_thirteen_words_in_a_row_are_shared_and_twelve_are_not():
    assert overlap([f"a {words(13)} b"], [f"c {words(13)} d"])["ngram"] == 1
    assert overlap([f"a {words(12)} b"], [f"c {words(12)} d"])["ngram"] == 0


def test_a_phrase_of_many_training_prompts_is_no_overlap_yet_the_same_text_is():
    many = [f"{words(20)} ending {i}" for i in range(COMMON + 1)]
    assert overlap(many[:COMMON], [f"{words(20)} other"])["ngram"] == 1
    assert overlap(many, [f"{words(20)} other"])["ngram"] == 0
    assert overlap(many, [many[3]])["exact"] == 1


def test_nothing_overlaps_with_nothing():
    assert overlap([], [])["first"] == []
    assert overlap([""], ["a question"])["exact"] == 0


def test_problems_of_math500_are_found_among_those_that_qwen_published_solutions_for():
    # Upstream has 100 problems, 5 of them in MATH-500; the first 50 are here. A fifth differs from one by its number.
    rollouts = list(dict.fromkeys(questions("math/rollouts_math_qwen")))
    known = set(questions("math/math500"))
    report = overlap(questions("math/math500"), rollouts)
    assert len(rollouts) == 50
    assert report["exact"] == sum(question in known for question in rollouts) == 4
    assert report["ngram"] == 5


def test_all_of_amc23_is_in_the_larger_amc_set():
    report = overlap(questions("math/amc_83"), questions("math/amc23"))
    assert (report["benchmark"], report["train"]) == (40, 83)
    assert report["exact"] == 40


def test_gsm8k_keeps_its_splits_apart():
    orig = [json.loads(line)["question"] for line in (DATA / "math/orig/gsm8k_train.jsonl").open(encoding="utf-8")]
    report = overlap(orig, questions("math/gsm8k_test"))
    assert report["train"] == 7473
    assert report["exact"] == 0
    assert report["ngram"] < 0.02 * 1319


def test_no_development_puzzle_is_trained_on():
    report = overlap(questions("logic/kk_train"), questions("logic/kk_dev"))
    assert (report["train"], report["benchmark"], report["exact"]) == (2000, 500, 0)


def test_the_time_grows_linearly_with_the_data():
    """Eight times the prompts take about eight times as long; if each were compared with each, it would be 64 times."""

    def seconds(size: int) -> float:
        train = [words(60, 97 * i) for i in range(size)]
        benchmark = [words(60, 97 * i + 10**7) for i in range(size - 1)] + [words(60, 97 * (size - 1))]
        start = time.process_time()
        assert overlap(train, benchmark)["ngram"] == 1
        return time.process_time() - start

    assert min(seconds(8000) for _ in range(2)) < 30 * min(seconds(1000) for _ in range(5))
