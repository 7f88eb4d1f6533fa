"""The parsers that run in the trainer's own process: no text makes them raise, hang or miss an answer that is there."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smoothgates.tasks.math.rewards import tagged_answer, think_answer_format
from smoothgates.tasks.math.verifier.extract import boxes, final_answer, last_boxed, stated
from smoothgates.tasks.math.verifier.formula.spelling import plain
from smoothgates.tasks.math.verifier.limits import too_costly
from smoothgates.tasks.math.verifier.notation import digits, number, same_text
from smoothgates.tasks.math.verifier.verdicts import readings

PIECES = [
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        r"\boxed{",
        r"\fbox {",
        "{",
        "}",
        r"\{",
        r"\}",
        "(",
        ")",
        "[",
        "]",
    ),
    *("$", "$$", r"\(", r"\)", r"\[", r"\]", r"\$", "\\", "\\\\", r"\frac{1}{2}", r"\dfrac12", r"\left(", r"\right)"),
    *("####", "A:", "Answer:", "The final answer is ", '"answer": ', '"', '\\"', "answer", " is ", ".", ",", ";", ":"),
    *(
        " and ",
        " or ",
        "=",
        "x",
        "x=",
        "42",
        "-3.5",
        "1,000",
        ".5",
        "1 000",
        "50%",
        "1e9",
        "$7",
        "€",
        "^",
        "_",
        "!",
        "/",
    ),
    *(
        "\n",
        " ",
        "\t",
        "\x00",
        "\ud800",
        "\u0664",
        "\uff14",
        "\u00b2",
        "|",
        "<|im_end|>",
        "<|",
        "words of prose ",
        "cm",
    ),
    *(r"\text{ and }", r"\quad", r"\overline{3}", "0.", "+", "9^9", "^{", "&", r"\\", "I do not know", "²", "½", "−"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60) | st.characters().map(str)
BATCH = 10
"""Texts of one example: hypothesis spends more on an example than the parsers do."""


@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(TEXTS, min_size=BATCH, max_size=BATCH))
def test_no_text_makes_a_parser_raise_or_dawdle(texts):
    for text in texts:
        began = time.process_time()  # a loaded machine does not dawdle
        found = [final_answer(text), last_boxed(text), tagged_answer(text), stated(text)]
        assert think_answer_format(text) in (0, 0.25, 0.5, 1)
        assert all(text[start] == "\\" and inside <= end and text[end] == "}" for start, inside, end in boxes(text))
        for answer in (text, *filter(None, found)):
            assert answer == answer.strip() or answer is text
            number(answer), digits(answer), too_costly(answer)
            assert same_text(answer, f" {answer} ") or not same_text(answer, answer)
        plain(text), readings(text)
        assert time.process_time() - began < 1


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(TEXTS, min_size=BATCH, max_size=BATCH))
def test_a_closed_answer_at_the_end_is_found_whatever_precedes_it(texts):
    for text in texts:
        assert last_boxed(text + "\n\\boxed{41}") == "41"
        assert tagged_answer(text + "\n<answer>41</answer>") == "41"
        assert final_answer(text + "\n<answer>41</answer>") == "41"
        assert final_answer(text + "</think> Thus it must be:\n#### 41") == "41"
