"""Verdicts on answers that others labelled, on all public golds, and on answers that must not earn a reward."""

import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from smoothgates.tasks.math.prompts import PROMPTS
from smoothgates.tasks.math.rewards import REWARDS, think_answer_format
from smoothgates.tasks.math.verifier import equality, verdicts
from smoothgates.tasks.math.verifier.notation import number, same_text
from smoothgates.tasks.math.verifier.pool import Pool
from smoothgates.tasks.task import Example

DATA = Path("../shared/data/math")
BENCHMARKS = ["gsm8k_test", "math500", "aime24", "aime25", "amc23", "amc_83", "minerva_math", "olympiadbench"]


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def judge(reward: str, pairs, truncated=False):
    """Verdicts on pairs of gold (or golds) and completion."""
    golds = [(gold,) if isinstance(gold, str) else tuple(gold) for gold, _ in pairs]
    return REWARDS[reward]([(text, Example("", "", g), truncated) for g, (_, text) in zip(golds, pairs)])


def right(gold, completion, reward="answer") -> bool:
    (verdict,) = judge(reward, [(gold, completion)])
    return verdict.components["answer"] == 1


# --- labels of others -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("rollouts_gsm8k_openai", 800), ("rollouts_math_qwen", 400)])
def test_every_label_is_reproduced(name, count):
    labelled = rows(name)
    assert len(labelled) == count
    verdicts = judge("answer", [(row["gold"], row["response"]) for row in labelled])
    assert [row["id"] for row, v in zip(labelled, verdicts) if (v.reward == 1) != row["label"]] == []


def test_boxed_alone_reproduces_the_labels_of_samples_that_were_asked_for_a_box():
    labelled = rows("rollouts_math_qwen")
    verdicts = judge("boxed", [(row["gold"], row["response"]) for row in labelled])
    assert [row["id"] for row, v in zip(labelled, verdicts) if (v.reward == 1) != row["label"]] == []


def test_labels_by_first_number_differ_only_where_the_answer_field_holds_more_than_a_number():
    """ZeroEval's label is the first number in the last "answer" field: a sum's first term, the 9 of `$9 500`."""
    for name in ("rollouts_gsm8k_zeroeval_command-r", "rollouts_gsm8k_zeroeval_mixtral-8x7b-instruct-v0_1"):
        labelled = rows(name)
        verdicts = judge("answer", [(row["gold"], row["response"]) for row in labelled])
        differ = [row for row, v in zip(labelled, verdicts) if (v.reward == 1) != row["label"]]
        assert len(differ) <= 2
        assert all(number(row["extracted"].lstrip("$")) is None for row in differ)


POLICY = {
    "policy:inline_latex_may_not_span_lines",  # we read a formula that spans lines
    "policy:set_vs_tuple_order",
    "policy:set_relation_comparison_on",  # math-verify's default is off
    "policy:set_relation_comparison_off",
    "policy:strict_false_ignores_variable_names",  # f(x) is not f(y)
    "policy:rounds_to_4_decimals",  # we round to 6
    "policy:percent_sign_ignored",
    "policy:list_order_matters",  # of an unbracketed list, it does not
    "policy:only_text_after_think",
    "policy:boxed_required",  # `answer` asks for no box; `boxed` does
    "policy:absolute_tolerance",
    "upstream_label_mathematically_wrong",
}
"""Flags of pairs whose labels follow conventions, not mathematics. Only on these may our verdict differ."""


def test_every_pair_of_math_verify_and_others_holds_unless_it_is_a_matter_of_policy():
    pairs = rows("verify_pairs")
    verdicts = judge("answer", [(row["gold"], row["prediction"]) for row in pairs])
    differ = [row for row, v in zip(pairs, verdicts) if (v.reward == 1) != row["expected"]]
    assert [row["id"] for row in differ if not POLICY & set(row["flags"])] == []
    assert sum(not POLICY & set(row["flags"]) for row in pairs) >= 162
    assert len(differ) <= 11


def test_symmetric_pairs_hold_swapped():
    pairs = [row for row in rows("verify_pairs") if row["symmetric"] and not POLICY & set(row["flags"])]
    verdicts = judge("answer", [(row["prediction"], row["gold"]) for row in pairs])
    assert len(pairs) > 10
    assert [row["id"] for row, v in zip(pairs, verdicts) if (v.reward == 1) != row["expected"]] == []


# --- golds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_gold_is_accepted_against_itself_in_every_format(name):
    answers = [row["answer"] for row in rows(name)]
    forms = {"boxed": "so \\boxed{%s}.", "answer": "Hence $\\boxed{%s}$.", "think_answer": "<answer>\n%s\n</answer>"}
    for reward, form in forms.items():
        verdicts = judge(reward, [(gold, form.replace("%s", gold)) for gold in answers])
        assert [gold for gold, v in zip(answers, verdicts) if v.components["answer"] != 1] == []


@pytest.mark.parametrize("name", ["math500", "aime25", "amc_83", "olympiadbench"])
def test_golds_are_accepted_by_mathematics_not_only_as_text(name, monkeypatch):
    monkeypatch.setattr(verdicts, "same_text", lambda a, b: False)
    golds = {row["answer"] for row in rows(name)[::3]}
    refused = [gold for gold in golds if verdicts.judge([gold], gold) != "correct"]
    assert len(refused) <= 0.02 * len(golds), refused


def test_no_gold_of_aime_is_accepted_for_another():
    golds = [row["answer"] for row in rows("aime24")]
    verdicts = judge("boxed", [(a, f"\\boxed{{{b}}}") for a in golds for b in golds if int(a) != int(b)])
    assert {v.reason for v in verdicts} == {"wrong"}


def test_any_of_several_golds_will_do():
    for row in rows("minerva_math")[:40]:
        golds = [row["answer"], *row["meta"]["rllm_answers"]]
        assert all(v.reward == 1 for v in judge("boxed", [(golds, f"\\boxed{{{gold}}}") for gold in golds]))


def test_a_gold_of_several_values_needs_them_all():
    multiple = [row for row in rows("olympiadbench") if row["meta"]["is_multiple_answer"]]
    lists = [a for row in multiple if number((a := row["answer"].split(","))[0]) is not None and len(set(a)) > 1]
    assert len(lists) > 20
    for values in lists:
        gold, backwards, fewer = ",".join(values), ", ".join(reversed(values)), ", ".join(values[1:])
        assert right(gold, f"\\boxed{{{backwards}}}")
        assert not right(gold, f"\\boxed{{{fewer}}}")
        assert not right(values[0], f"\\boxed{{{gold}}}")


def test_a_gold_that_cannot_be_parsed_is_compared_as_text():
    gold = next(row["answer"] for row in rows("minerva_math") if row["id"] == "minerva-72")
    assert right(gold, f"\\boxed{{{gold}}}", "boxed")
    assert not right(gold, "\\boxed{x_0}", "boxed")


# --- what an answer is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "completion"),
    [
        ("32", r"\boxed{032}"),
        ("025", r"\boxed{25}"),
        ("336^\\circ", "336"),
        ("18", "A: $18"),
        ("18", "The answer is $18.00."),
        ("5", "The answer is 5 because 2+3=5 and not 7."),
        ("70000", "#### 70,000"),
        ("12", r"\boxed{12.}"),
        ("1/3", r"\boxed{0.\overline{3}}"),
        ("4.5e33", r"\boxed{4.5 \times 10^{33}}"),
        ("1500", r"\boxed{1.5e3}"),
        ("50\\%", "0.5"),
        ("x^2-1", "(x-1)(x+1)"),
        ("\\frac{3}{4}", "**Answer:** 3/4"),
        ("C", "The answer is (C)."),
        ("\\text{Evelyn}", r"\boxed{Evelyn}"),
        ("42", "**42**"),
        (r"1 - \frac{1}{\mathrm{e}}", r"\boxed{\frac{e-1}{e}}"),
        ("10", "So the total is $5+5=10$ dollars."),
        ("14", '{"reasoning": "so 2", "answer": 14}'),
        ("1000", r"\boxed{1{,}000}"),
        ("-5", r"\boxed{−5}"),
        ("2^{100}", r"\boxed{1267650600228229401496703205376}"),
        ("42", r"\boxed{41}. No, wait: \boxed{42}"),
        ("6", r"<think>I get \boxed{6}</think>"),
        ("\\frac{(2n)!}{2^n n!}", r"\boxed{\frac{(2n)!}{n! 2^n}}"),
    ],
)
def test_right_answers_are_right_however_they_are_written(gold, completion):
    assert right(gold, completion)


@pytest.mark.parametrize(
    ("gold", "completion"),
    [
        ("42", "The answer is 42, 43, 44"),
        ("42", "1 2 3 42"),
        ("42", "It is 41 or 42"),
        ("42", r"\boxed{41} or \boxed{42}"),
        ("42", r"\boxed{42}, \boxed{43}"),
        ("42", r"\boxed{42} then \boxed{41}"),
        ("42", r"\boxed{42, 43}"),
        ("42", r"\boxed{42 \text{ or } 43}"),
        ("42", r"\boxed{\pm 42}"),
        ("42", r"\boxed{[41,43]}"),
        ("42", "<answer>42</answer> <answer>43</answer>"),
        ("42", "<answer>41 42</answer>"),
        ("6", r"<think>I get \boxed{6}</think> The answer is 7."),
        ("42", "4\x002"),
        ("42", "\u0664\u0662"),
        ("2", "AZYUK2A"),
        (r"1 - \frac{1}{\mathrm{e}}", r"\boxed{1 + \frac{1}{\mathrm{e}}}"),
        ("1", r"\boxed{1 - \frac{1}{\mathrm{e}}}"),
    ],
)
def test_hedges_and_near_misses_earn_nothing(gold, completion):
    assert not right(gold, completion)


@pytest.mark.parametrize("gold", ["2.88e-19", "3.61 \\times 10^{-10}", "1e-5"])
def test_a_tiny_gold_is_not_equal_to_everything_tiny(gold):
    """It would be with math-verify's 6 decimals."""
    assert right(gold, f"\\boxed{{{gold}}}")
    value = float(gold.replace(" \\times 10^{", "e").rstrip("}"))
    for factor in (0, 2, 10, 1.01):
        power = math.floor(math.log10(value * factor)) if factor else 0
        mantissa = value * factor / 10**power
        for written in (f"{value * factor:.30f}", rf"{mantissa:.6f} \times 10^{{{power}}}"):
            assert not right(gold, f"\\boxed{{{written}}}"), written


def test_the_shortcut_never_disagrees_with_the_workers():
    texts = ["7", "07", "7.0", "7.", "+7", "-7", "1,000", "1000", "0.5", ".5", "0.50", "-0", "0", "70", "1000.0"]
    for gold in texts:
        for answer in texts:
            shortcut = equality.without_worker([gold], answer)
            assert shortcut in (None, verdicts.judge([gold], answer)), (gold, answer)


def test_text_equality_ignores_only_what_is_not_printed():
    assert same_text(r"\dfrac{1}{2}", r"$\frac{1}{2}$")
    assert not same_text("12", "1 2")
    assert not same_text("", " ")
    assert not same_text("x_1", "x1")


# --- rewards --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<think>a</think><answer>1</answer>", 1),
        (" <think>a</think>\n\n<answer>1</answer>\n", 1),
        ("<think></think><answer></answer>", 1),
        ("<think>a</think> so <answer>1</answer>", 0.5),
        ("<think>a<think>b</think><answer>1</answer>", 0.5),
        ("<think>a</think><answer>1</answer><answer>2</answer>", 0.5),
        ("<think><answer>1</answer>", 0.5),
        ("<think>a</think><answer>1</answer> done", 0.25),
        ("Well: <think>a</think><answer>1</answer>", 0.25),
        ("<think>a</think> 1", 0.25),
        ("</think><think></answer><answer>", 0),
        ("1", 0),
        ("", 0),
    ],
)
def test_the_format_is_graded_as_in_the_paper(completion, expected):
    assert think_answer_format(completion) == expected


def test_think_answer_adds_answer_and_format():
    thought = "<think>a</think>"
    texts = [thought + "<answer>1/2</answer>", thought + "<answer>2</answer>", "<answer>0.5</answer>", "0.5"]
    verdicts = judge("think_answer", [("0.5", text) for text in texts])
    assert [v.components for v in verdicts] == [
        {"answer": 1, "format": 1},
        {"answer": 0, "format": 1},
        {"answer": 1, "format": 0.25},
        {"answer": 0, "format": 0},
    ]
    assert [v.reward for v in verdicts] == [2, 1, 1.25, 0]
    assert [v.reason for v in verdicts] == ["correct", "wrong", "correct", "unparsable"]


def test_a_truncated_completion_earns_no_answer_but_its_format():
    text = r"<think>a</think><answer>\boxed{7}</answer>"
    for reward, verdict in ((name, judge(name, [("7", text)], truncated=True)[0]) for name in REWARDS):
        assert verdict.reason == "truncated"
        assert verdict.components["answer"] == 0
        assert verdict.reward == (1 if reward == "think_answer" else 0)
        assert verdict.extracted is not None


def test_unparsable_is_told_from_wrong():
    texts = ["I do not know", r"\boxed{\frac{1}{}", r"\boxed{8}", r"\boxed{7}", ""]
    assert [v.reason for v in judge("boxed", [("7", t) for t in texts])] == [
        *("unparsable", "unparsable", "wrong", "correct", "unparsable")
    ]


def test_prompts_ask_for_what_the_rewards_read():
    assert {"bare", *REWARDS} - {"answer", "exact", "math_verify"} == set(PROMPTS)
    assert PROMPTS["bare"].ask("2+2?") == "2+2?"
    assert "\\boxed{}" in PROMPTS["boxed"].system
    assert think_answer_format("<think>" + PROMPTS["think_answer"].system.rpartition("<think>")[2].rstrip(".")) == 1


# --- processes ------------------------------------------------------------------------------------------------------


def test_threads_may_judge_at_once():
    found: dict[int, list] = {}

    def work(i: int) -> None:
        pairs = [(f"{n}+x", rf"\boxed{{x+{n + n % 2}}}") for n in range(i, i + 30)]
        found[i] = [v.reward for v in judge("boxed", pairs)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [float(n % 2 == 0) for n in range(i, i + 30)] for i in range(6)}


def test_a_fork_of_the_trainer_judges_with_workers_of_its_own():
    assert right("x+1", r"\boxed{1+x}")
    child = os.fork()
    if child == 0:
        os._exit(0 if right("x+2", r"\boxed{2+x}") and not right("x+2", r"\boxed{3+x}") else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert right("x+3", r"\boxed{3+x}")


ONE_VERDICT = (
    "from smoothgates.tasks.math.verifier.equality import equal; "
    "assert equal([(('x+1',), '1+x')]) == ['correct']; {then}"
)


def test_nothing_of_the_environment_or_of_closed_outputs_reaches_a_worker(tmp_path):
    odd = {"PYTHONSTARTUP": "/nowhere", "PYTHONWARNINGS": "error", "PYTHONHASHSEED": "7", "SYMPY_DEBUG": "True"}
    done = subprocess.run(
        [sys.executable, "-c", "import os; os.close(1); os.close(2); " + ONE_VERDICT.format(then="os._exit(7)")],
        env={**os.environ, "PYTHONPATH": "src", **odd},
        timeout=60,
    )
    assert done.returncode == 7


def test_a_worker_that_cannot_start_is_an_error_and_not_a_verdict(monkeypatch):
    pool = Pool(size=1)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="does not start"):
        pool.judge([(("x+1",), "1+x")])
    monkeypatch.undo()
    assert pool.judge([(("x+1",), "1+x")]) == ["correct"]
    pool.close()


def test_importing_the_rewards_loads_nothing_heavy_and_starts_nothing():
    code = (
        "import sys; from smoothgates.tasks.math import rewards; from smoothgates.tasks.math.verifier import equality; "
        + ("assert not {'flint', 'torch', 'numpy'} & set(sys.modules); assert not equality.POOL.workers")
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
