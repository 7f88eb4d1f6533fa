"""Only a full, unambiguous, right answer in the answer part earns the reward, and no text makes a judge fail."""

import json
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothgates.errors import BadInput
from smoothgates.tasks.logic.laptop import LAPTOP
from smoothgates.tasks.logic.rewards import REWARDS, read_gold
from smoothgates.tasks.task import Example

DATA = Path("../shared/data/logic")
GOLD = "(1) Zoey is a knave\n(2) Oliver is a knight"
EXAMPLE = Example("", "", (GOLD,))
THOUGHT = "<think>Zoey is a knight? No.</think>"


def rows(name):
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").open(encoding="utf-8")]


def judge(reward, completion, example=EXAMPLE, truncated=False):
    (verdict,) = REWARDS[reward]([(completion, example, truncated)])
    return verdict


def answered(part):
    return f"{THOUGHT}\n<answer>{part}</answer>"


@pytest.mark.parametrize(
    "part",
    [
        GOLD,
        "(1) Zoey is a knave (2) Oliver is a knight",
        "  (2) Oliver is a knight\n\n(1) Zoey is a knave.\n",
        "Zoey is a knave, and Oliver is a knight.",
        "ZOEY IS A KNAVE; oliver is a Knight!",
        "1. **Zoey** is a **knave**\n2. __Oliver__ is a *knight*",
        "- Zoey: knave\n- Oliver: knight",
        "Zoey is the knave. Oliver is the knight.",
        "So the answer is:\n(1) Zoey is a knave\n(2) Oliver is a knight",
    ],
)
def test_a_right_answer_is_accepted_in_any_usual_format(part):
    assert judge("logic_rl", answered(part)).components == {"format": 1.0, "answer": 2.0}
    assert judge("logic_rl", answered(part)).reward == 3
    assert judge("answer", answered(part)).reward == 1
    assert judge("answer", f"Let us think.\nCONCLUSION:\n{part}\n### Reason: Zoey is a knight lies.").reward == 1
    assert judge("answer", answered(part)).extracted == "zoey is a knave, oliver is a knight"
    assert judge("answer", answered(part), truncated=True).reward == 0


@pytest.mark.parametrize(
    "part",
    [
        "",
        "Zoey is a knave",
        "(1) Zoey is a knave (2) Oliver is a knight (3) Oliver is a knight",
        "(1) Zoey is a knave (2) Oliver is a knight (3) Zoey is a knight",
        "Zoey is a knave and Zoey is a knight, Oliver is a knight and Oliver is a knave",
        "Zoey is a knave or a knight, Oliver is a knight or a knave",
        "Zoey is a knight/knave, Oliver is a knight/knave",
        "Zoey is a knave or Oliver is a knight",
        "If Zoey is a knave then Oliver is a knight",
        "Zoey is not a knight, Oliver is not a knave",
        "Zoey isn't a knave. Oliver is a knight",
        "Zoey is a non-knave, Oliver is a knight",
        "Zoey is a knave. Max is a knight",
        "Zoey is a knave. Oliver is a knight. Max is a knight",
        "Zoey is a knave, Oliver is a knight. Both are knights.",
        "Zoey and Oliver are knights",
        "knave, knight",
        "Zoey is a knave's friend. Oliver is a knight",
        "Zoeyy is a knave, Oliver is a knight",
        "Zoey is a knave2, Oliver is a knight",
        "Zοey is a knave, Oliver is a knight",  # a Greek omicron
        "Zoey is a \u212anave, Oliver is a \u212anight",  # the Kelvin sign
        "Zoey is a kna\u200bve, Oliver is a knight",
        "Ｚｏｅｙ is a knave, Oliver is a knight",
        GOLD + "\n" + GOLD,
    ],
)
def test_an_answer_that_does_not_commit_itself_once_for_everybody_is_unparsable(part):
    verdict = judge("logic_rl", answered(part))
    assert (verdict.reward, verdict.reason, verdict.extracted) == (-1, "unparsable", None)
    assert judge("answer", answered(part)).reason == "unparsable"
    assert judge("answer", "CONCLUSION: " + part).reward == 0


def test_the_default_reward_reads_the_laptops_own_format():
    """`score --task logic` needs no --reward for completions of the laptop study's policy."""
    stream = LAPTOP.generate(Random(0))
    for example in (next(stream) for _ in range(50)):
        ((text, _),) = LAPTOP.careful(example)
        assert judge("answer", text, example).reason == "correct"
        ((guess, _),) = LAPTOP.hasty(example, Random(example.id))
        assert judge("answer", guess, example) == judge("boxed", guess, example)


RIGHT, WRONG = "Zoey is a knave, Oliver is a knight", "Zoey is a knight, Oliver is a knight"


@pytest.mark.parametrize(
    "text",
    [
        rf"\boxed{{{WRONG}}} or \boxed{{{RIGHT}}}",
        rf"\boxed{{{WRONG}}}, \boxed{{{RIGHT}}}",
        rf"$\boxed{{{RIGHT}}}$ and $\boxed{{{WRONG}}}$",
        rf"\boxed{{{WRONG} or {RIGHT}}}",
        f"<answer>{WRONG}</answer> or <answer>{RIGHT}</answer>",
        rf"\boxed{{{WRONG}}}, or perhaps \boxed{{{RIGHT}}}",
        rf"\boxed{{{RIGHT}. Alternatively vice versa}}",
        rf"\boxed{{It is false that {RIGHT}}}",
        rf"\boxed{{Suppose {RIGHT}}}",
        r"\boxed{Zoey ≠ knave, Oliver != knight}",
        f"<answer>{RIGHT}</answer>; <answer>{WRONG}</answer>",
        r"\boxed{Zoey, Oliver}",
        r"\boxed{Zoey knight knave, Oliver knight knave}",
        r"\boxed{Zoey said that Oliver is a knight. Oliver said that Zoey is a knave. Who is what?}",
        r"\boxed{knave, knight}",
    ],
)
def test_a_hedge_earns_nothing(text):
    """Two answers, a list of all names, or the question repeated."""
    for reward in ("answer", "boxed"):
        assert judge(reward, text).reward == 0
    assert judge("answer", text).reason == "unparsable"


def test_an_answer_that_corrects_another_is_no_hedge():
    assert judge("answer", rf"\boxed{{{WRONG}}}. No, wait: \boxed{{{RIGHT}}}").reward == 1


def test_a_wrong_answer_is_wrong():
    verdict = judge("logic_rl", answered("Zoey is a knave, Oliver is a knave"))
    assert (verdict.reward, verdict.components, verdict.reason) == (-0.5, {"format": 1.0, "answer": -1.5}, "wrong")
    assert verdict.extracted == "zoey is a knave, oliver is a knave"


@pytest.mark.parametrize(
    "completion",
    [
        f"<answer>{GOLD}</answer>",
        f"<think></think><think></think><answer>{GOLD}</answer>",
        f"<answer>{GOLD}</answer><think></think>",
        f"<think><answer>{GOLD}</answer></think>",
        f"<think></think><answer>{GOLD}</answer><answer>{GOLD}</answer>",
        f"<think></think><answer>{GOLD}",
        f"</think><think><answer>{GOLD}</answer>",
        f"<THINK></THINK><ANSWER>{GOLD}</ANSWER>",
        GOLD,
        "",
    ],
)
def test_without_the_format_the_answer_counts_as_unparsable(completion):
    verdict = judge("logic_rl", completion)
    assert (verdict.reward, verdict.reason) == (-3, "unparsable")
    assert verdict.components == {"format": -1.0, "answer": -2.0}


def test_a_truncated_completion_is_worth_what_an_unparsable_one_is():
    verdict = judge("logic_rl", answered(GOLD), truncated=True)
    assert (verdict.reward, verdict.reason) == (-1, "truncated")
    verdict = judge("logic_rl", "<think>Zoey", truncated=True)
    assert (verdict.reward, verdict.reason) == (-3, "truncated")


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (f"<think>{GOLD}</think>", "unparsable"),
        (f"<think><answer>{GOLD}</answer> CONCLUSION: {GOLD}</think> I do not know.", "unparsable"),
        (GOLD, "unparsable"),
        (f"So {GOLD}. In conclusion: Zoey is a knight, Oliver is a knight", "wrong"),
        (f"CONCLUSION: {GOLD} CONCLUSION: Zoey is a knight, Oliver is a knight", "wrong"),
        (f"<answer>{GOLD}</answer> or <answer>Zoey is a knight, Oliver is a knight</answer>", "unparsable"),
        (f"CONCLUSION: {GOLD} <answer>Zoey is a knight, Oliver is a knight</answer>", "wrong"),
        (f"CONCLUSION: {GOLD} ### Explanation: Zoey is a knight", "correct"),
        (f"### conclusion\n\n{GOLD}", "correct"),
        (f"Zoey is a knight. <answer>{GOLD}</answer>", "correct"),
    ],
)
def test_only_the_last_answer_part_is_judged(completion, reason):
    assert judge("answer", completion).reason == reason


@pytest.mark.parametrize("name", ["kk_train", "kk_dev", "kk_2ppl_8ppl", "kk_perturbed"])
def test_every_public_answer_is_right_and_its_opposite_wrong_even_without_the_names_of_the_roles(name):
    for row in rows(name):
        roles = row["meta"].get("truth_teller", "knight"), row["meta"].get("liar", "knave")
        named = {"truth_teller": roles[0], "liar": roles[1]}
        lines = [line.replace(f" {roles[0]}", " @").replace(f" {roles[1]}", f" {roles[0]}") for line in
                 row["answer"].splitlines()]  # fmt: skip
        opposite = "\n".join(lines).replace("@", roles[1])
        for extra in ({}, named):
            example = Example(row["id"], row["question"], (row["answer"],), extra)
            assert judge("logic_rl", answered(row["answer"]), example).reward == 3
            assert judge("answer", answered(opposite), example).reward == 0
        assert judge("logic_rl", answered(opposite), example).reward == -0.5


def test_no_output_of_tinyllama_is_right_though_some_hold_every_line_of_the_answer():
    found = rows("rollouts_kk_tinyllama")
    traps = 0
    for row in found:
        example = Example(row["id"], row["question"], (row["gold"],))
        traps += all(line.split(") ")[1].lower() in row["response"].lower() for line in row["gold"].splitlines())
        for reward in REWARDS:
            assert judge(reward, row["response"], example).reason != "correct"
    assert (len(found), traps) == (35, 7)


def test_roles_may_have_other_names_and_names_several_words():
    example = Example("", "", ("(1) Mary Ann is an altruist\n(2) Ann is an egoist\n(3) O'Neil is an egoist",))
    right = "Ann is an egoist, Mary Ann is an altruist, O'Neil is an egoist"
    assert judge("answer", answered(right), example).reward == 1
    assert judge("answer", answered(right.replace("Mary ", "")), example).reward == 0
    assert judge("answer", answered(right.replace("altruist", "knight")), example).reward == 0


def test_boxed_needs_exactly_the_two_roles():
    for text, reason in {
        r"\boxed{Zoey knave, Oliver knight}": "correct",
        r"\boxed{Oliver knight, Zoey knave}": "correct",
        r"\boxed{Zoey knight, Oliver knight} \boxed{Zoey knave, Oliver knight}": "correct",
        r"\boxed{Zoey knave, Oliver knight} \boxed{Zoey knight, Oliver knight}": "wrong",
        r"\boxed{Zoey knave, Oliver knave}": "wrong",
        r"\boxed{Zoey knave, Zoey knight}": "unparsable",
        r"\boxed{Zoey knave}": "unparsable",
        r"\boxed{Zoey knave, Oliver knight": "unparsable",
        "Zoey knave, Oliver knight": "unparsable",
    }.items():
        assert judge("boxed", text).reason == reason, text
        assert judge("boxed", text).reward == (reason == "correct")
    assert judge("boxed", r"\boxed{Zoey knave, Oliver knight}", truncated=True).reason == "truncated"


@pytest.mark.parametrize("block", ["", "Zoey", "(1) Zoey is a knave\nOliver", GOLD + "\n(3) Zoey is a knight"])
def test_a_gold_answer_that_cannot_be_read_is_bad_input(block):
    with pytest.raises(BadInput, match="answer: expected a line like"):
        read_gold(block)


PIECES = ["<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "}", "{", "CONCLUSION", ":", "###", "(1) ", "\n"]
PIECES += [
    "Zoey",
    "Oliver",
    " is a ",
    " is not a ",
    "knave",
    "knight",
    " or ",
    "**",
    "\x00",
    "\ud800",
    "0",
    "９",
    "<",
    "é",
]


@pytest.mark.parametrize("piece", [*PIECES, "Zoey is a knave ", "a'", "<answer></answer>", "\\boxed{}", "(a+)+$"])
def test_a_hundred_thousand_characters_are_judged_at_once(piece):
    flood = (piece * 100_000)[:100_000]
    texts = [flood, answered(flood), "CONCLUSION" + flood, f"\\boxed{{{flood}}}", flood + answered(GOLD)]
    for reward in REWARDS:
        start = time.process_time()
        verdicts = REWARDS[reward]([(text, EXAMPLE, False) for text in texts])
        assert time.process_time() - start < 2
        assert all(verdict.reason in ("unparsable", "correct") for verdict in verdicts)


def correct_by_words(text):
    """A slower, simpler reader of the last answer block, for texts made of `PIECES`."""
    said = text[text.rfind("</think>") + 8 :] if "</think>" in text else text
    if "</answer>" not in said or "<answer>" not in said[: said.rfind("</answer>")]:
        return None
    part = said[: said.rfind("</answer>")].rsplit("<answer>", 1)[1]
    return part.count("knave") == 1 and part.count("knight") == 1


def check_all(texts):
    for reward, judge_all in REWARDS.items():
        verdicts = judge_all([(text, EXAMPLE, False) for text in texts])
        assert len(verdicts) == len(texts)
        for text, verdict in zip(texts, verdicts, strict=True):
            assert verdict.reward == sum(verdict.components.values())
            if reward == "answer" and verdict.reason == "correct" and (plain := correct_by_words(text)) is not None:
                assert plain, text


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4)).map("".join))
@settings(max_examples=1000, deadline=None)
def test_any_text_gets_a_verdict_and_a_right_answer_names_each_role_once(text):
    check_all([text, answered(text), f"CONCLUSION{text}", f"\\boxed{{{text}}}"])


@given(st.integers(0, 2**64))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_twenty_thousand_hostile_texts_get_a_verdict_without_an_exception_or_a_hang(seed):
    rng = Random(seed)
    texts = ["".join(rng.choices(PIECES, k=rng.randint(0, 60))) for _ in range(25)]
    check_all([*texts, *map(answered, texts)])


def test_text_without_roles_before_the_answer_changes_no_verdict():
    batch = [
        (answered("Well, let us see. " * 100 + row["answer"]), Example(row["id"], "", (row["answer"],)), False)
        for row in rows("kk_train")
    ]
    assert all(verdict.reward == 3 for verdict in REWARDS["logic_rl"](batch))
