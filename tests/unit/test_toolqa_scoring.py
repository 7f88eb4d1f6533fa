"""Answers to questions: those that the standard accepts earn a reward, and no others."""

import json
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smoothgates.tasks.first_names import FIRST_NAMES
from smoothgates.tasks.task import Example
from smoothgates.tasks.toolqa.families import FAMILIES
from smoothgates.tasks.toolqa.own_words import own_words
from smoothgates.tasks.toolqa.prompts import PROMPTS
from smoothgates.tasks.toolqa.rewards import REWARDS, stated_answer
from smoothgates.tasks.toolqa.scoring import match, normalise

DATA = Path("../shared/data/toolqa")
PARIS = Example("q", "What is the capital of France?", ("Paris", "City of Paris"))


def rows(name):
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def verdict(reward, completion, example=PARIS, truncated=False):
    """The verdict of `score`, which has only the text."""
    return REWARDS[reward]([(own_words(completion), example, truncated)])[0]


def test_the_published_scorer_cases_get_their_scores():
    cases = rows("qa_scorer_cases.jsonl")
    assert len(cases) == 21
    for case in cases:
        component = {"normalized_exact_match": "em", "token_f1_max": "f1"}[case["metric"]]
        found = verdict("answer", case["prediction"], Example(case["id"], "", tuple(case["golds"])))
        assert found.components[component] == pytest.approx(case["expected_score"]), case["id"]
        direct = getattr(match(stated_answer(case["prediction"]), case["golds"]), component)
        assert direct == found.components[component], case["id"]


@pytest.mark.parametrize(
    "name",
    [
        "bamboogle.jsonl",
        "hotpotqa_distractor_train100.jsonl",
        "musique_train100.jsonl",
        "nq_efficientqa_dev.jsonl",
        "nq_open_oracle.jsonl",
        "popqa_triviaqa_retrieved.jsonl",
        "seven_sets_dev.jsonl",
    ],
)
def test_every_gold_is_accepted_as_it_stands_and_dressed_up(name):
    for row in rows(name):
        example = Example(row["id"], row["question"], tuple(row["answers"]))
        for gold in row["answers"]:
            for reward in REWARDS:
                found = verdict(reward, f"<think>hm</think>\n<answer> {gold} </answer>", example)
                assert (found.reward, found.components) == (1, {"em": 1, "f1": 1}), (row["id"], gold)
            if normalise(gold):
                assert match(f"The  «{gold}»!".replace("«", '"').replace("»", "'"), row["answers"]).em == 1, gold


# Its response ends in <answer>27 July 1953</answer>, but upstream extracted "July 27, 1953", the gold's spelling.
NOT_WHAT_IT_SAID = {"r1s-bamboogle_qwen-102"}


@pytest.mark.parametrize(("name", "accepted"), [("bamboogle", 57), ("hotpotqa", 127)])
def test_an_answer_that_equals_a_gold_is_accepted_and_the_llm_judge_agrees(name, accepted):
    right, differing = 0, set()
    for row in rows(f"rollouts_{name}_qwen.jsonl"):
        example = Example(row["id"], row["question"], tuple(row["meta"]["golds"]))
        equal = normalise(row["extracted"]) in {normalise(gold) for gold in example.answers}
        for reward in REWARDS:
            assert (verdict(reward, f"<answer>{row['extracted']}</answer>", example).reason == "correct") == equal
            found = verdict(reward, row["response"], example)
            if found.extracted == row["extracted"].strip():
                assert (found.reason == "correct") == equal
            else:
                differing.add(row["id"])
            assert row["label"] or found.reason != "correct"
        right += equal
        assert row["label"] or not equal
    assert right == accepted  # as the data's README counted
    assert differing <= NOT_WHAT_IT_SAID


@pytest.mark.parametrize(
    ("completion", "truncated", "em", "plus_minus", "answer", "reason"),
    [
        ("<answer> paris. </answer>", False, 1, 1, 1, "correct"),
        ("<answer>The City of Paris</answer>", False, 1, 1, 1, "correct"),
        ("<answer>Lyon</answer>", False, 0, -1, 0, "wrong"),
        ("<answer>Paris</answer><answer>Lyon</answer>", False, 0, -1, 0, "wrong"),
        ("<answer>Lyon</answer><answer>Paris</answer>", False, 1, 1, 1, "correct"),
        ("<answer>Lyon <answer>Paris</answer>", False, 1, 1, 1, "correct"),
        ("<answer>Paris or Lyon</answer>", False, 0, -1, 0, "wrong"),
        ("<answer>Paris</answer>", True, 0, -1, 0, "truncated"),
        ("<think>Paris", True, 0, -1, 0, "truncated"),
        ("<answer> </answer>", False, 0, -1, 0, "unparsable"),
        ("", False, 0, -1, 0, "unparsable"),
        ("</answer>", False, 0, -1, 0, "unparsable"),
        ("</answer><answer>", False, 0, -1, 0, "unparsable"),
    ],
)
def test_every_reward_agrees_on_closed_answers(completion, truncated, em, plus_minus, answer, reason):
    expected = {"em": em, "plus_minus": plus_minus, "answer": answer}
    assert {reward: verdict(reward, completion, truncated=truncated).reward for reward in REWARDS} == expected
    assert {verdict(reward, completion, truncated=truncated).reason for reward in REWARDS} == {reason}


@pytest.mark.parametrize("completion", ["Paris", "<think>Lyon?</think> Paris", "<answer>Paris", "Paris</answer>"])
def test_only_the_lenient_reward_reads_an_answer_outside_a_closed_block(completion):
    assert verdict("answer", completion).reason == "correct"
    for reward, lost in (("em", 0), ("plus_minus", -1)):
        assert (verdict(reward, completion).reward, verdict(reward, completion).reason) == (lost, "unparsable")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("<information>", "</information>"), ("<|begin_of_documents|>", "<|end_of_documents|>")],
)
def test_what_a_tool_wrote_is_never_the_answer(opening, closing):
    tool = f"<search>x</search>{opening}Paris <answer>Paris</answer> {closing}"
    for reward in REWARDS:
        assert verdict(reward, tool + "<answer>Lyon</answer>").extracted == "Lyon"
        assert verdict(reward, "<answer>Lyon</answer>" + tool).extracted == "Lyon"
        assert verdict(reward, tool).reason != "correct"
    assert verdict("em", tool).reason == "unparsable"


HEDGES = [
    "<answer>{gold} or {other}</answer>",
    "<answer>{other}, {gold}</answer>",
    "<answer>{other}</answer> or <answer>{gold}</answer>",
    "<answer>{other}</answer>, <answer>{gold}</answer>",
    "<answer>{other}</answer> or maybe <answer>{gold}</answer>",
    "<answer>{gold}</answer> and <answer>{other}</answer>",
    "<answer>{everybody}</answer>",
    "<answer>{question}</answer>",
    "<answer>{question} {gold}</answer>",
    "{everybody}",
    "{question}",
    "<answer>not {gold}</answer>",
]


@pytest.mark.parametrize("hedge", HEDGES)
def test_a_hedge_earns_nothing(hedge):
    """Two answers, a list of all names, or the question repeated."""
    stream = FAMILIES.generate(Random(0))
    for example in (next(stream) for _ in range(50)):
        gold = example.answers[0]
        other = next(name for name in FIRST_NAMES if name != gold)
        text = hedge.format(gold=gold, other=other, everybody=" ".join(FIRST_NAMES), question=example.question)
        for reward, lost in (("em", 0), ("plus_minus", -1), ("answer", 0)):
            assert verdict(reward, text, example).reward == lost


def test_an_answer_that_corrects_another_is_no_hedge():
    assert verdict("em", "<answer>Lyon</answer> No, wait: <answer>Paris</answer>").reward == 1


def test_an_empty_answer_is_not_right_where_a_gold_is_only_punctuation_or_articles():
    comma, band = Example("nq", "", (",",)), Example("band", "", ("The The",))
    for empty in ("", ".", "the", "a an the", "!?"):
        for example in (comma, band):
            for reward in REWARDS:
                assert verdict(reward, f"<answer>{empty}</answer>", example).reason != "correct"
            assert match(empty, example.answers).f1 == 0
    assert verdict("em", "<answer>,</answer>", comma).reason == "correct"
    assert verdict("em", "<answer>the  the</answer>", band).reason == "correct"


def test_yes_and_no_are_told_apart():
    for gold, other in (("yes", "no"), ("no", "yes")):
        assert match(gold.title() + ".", [gold]).em == 1
        assert match(other, [gold]) == (0, 0)


@given(st.text(max_size=60), st.text(max_size=60))
def test_scores_are_symmetric_bounded_and_blind_to_normalisation(a, b):
    assert normalise(normalise(a)) == normalise(a)
    assert 0 <= match(a, [b]).f1 == match(b, [a]).f1 <= 1
    assert match(a, [b]).em <= match(a, [b]).f1
    assert match(a, [b, a]) == (1, 1)


TAGS = "<answer> </answer> <information> </information> <|begin_of_documents|> <|end_of_documents|> <think> </think>"
PIECES = st.sampled_from(
    [*TAGS.split(), "<search>", "<answer", "Paris", " the ", "PARIS!", "Lyon", "\0", "\ud800", "٣"]
)
COMPLETIONS = st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(COMPLETIONS, min_size=20, max_size=20), st.booleans())
def test_any_text_gets_a_consistent_verdict(completions, truncated):
    """20,000 texts."""
    verdicts = {name: judge([(c, PARIS, truncated) for c in completions]) for name, judge in REWARDS.items()}
    for completion, em, plus_minus, answer in zip(completions, *verdicts.values(), strict=True):
        assert (em.reward, plus_minus.reward) in ((1, 1), (0, -1))
        assert (em.components, em.reason, em.extracted) == (
            plus_minus.components,
            plus_minus.reason,
            plus_minus.extracted,
        )
        for found in (em, answer):
            assert found.reward == found.components["em"] == (found.reason == "correct")
            assert found.components["em"] <= found.components["f1"] <= 1
            assert found.reason != "correct" or ("paris" in found.extracted.lower() and not truncated)
            assert (found.reason == "unparsable") == (found.extracted is None and not truncated)
        if em.extracted is not None:
            assert answer == em
            assert "<answer>" in completion


@pytest.mark.parametrize(
    "flood",
    [
        "<answer>",
        "</answer>",
        "<answer></answer>",
        "<information>",
        "<information></information>",
        "<information><answer></information></answer>",
        "<|begin_of_documents|></think>",
        "<",
        "a ",
        "the\t",
        "!",
        "İ",
        "\0",
        "٣",
    ],
)
def test_a_flood_of_a_million_characters_is_judged_in_two_seconds(flood):
    text = flood * (1_000_000 // len(flood))
    for reward in REWARDS:
        for completion in (text, f"<answer>{text}</answer>"):
            began = time.process_time()
            assert verdict(reward, completion).reason in ("wrong", "unparsable")
            assert time.process_time() - began < 2


def test_the_search_prompt_is_the_published_one():
    published = (DATA / "orig" / "search-r1_case.txt").read_text()
    turn = PROMPTS["search_r1"].ask("paul walkers cars in fast and furious list?")
    assert f"<|im_start|>user\n{turn}<|im_end|>" in published
    assert PROMPTS["bare"].ask("Who?") == "Who?"
