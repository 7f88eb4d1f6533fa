"""What the page says first, embeds and shows of models' texts. tests/browser looks at it in a browser."""

import json
import re
from itertools import product

import pandas as pd
import pytest

from smoothgates.report.answer import answer, cells_of_interest
from smoothgates.report.explore import as_script, library, view
from smoothgates.report.page import folded
from smoothgates.report.samples import _problems, visible
from smoothgates.report.style import INK, PALETTE, gate_colours, look, themed

SIZES = {task: {"near": "106k parameters", "lag4": "106k parameters"} for task in ("math", "logic")}
BACKGROUNDS = ("#ffffff", "#12161b", "#1b2027")
"""Those of page.css.j2, on light and dark."""


def comparison(task="math", regime="lag4", method="erf", **facts) -> dict:
    return {
        "task": task, "benchmark": "heldout", "regime": regime, "method": method, "metric": "score", "n": 10,
        "difference": -0.2, "established": False, "bound": 0.3, "detectable": 0.08, **facts,
    }  # fmt: skip


def test_the_answer_names_what_is_established_by_task_and_size():
    rows = [
        comparison(method="sapo", difference=-0.33, established=True),
        comparison(method="erf", difference=-0.101, established=True),
        comparison(method="gspo", difference=0.02, established=True),
        comparison(method="none", bound=0.0412, difference=0.01),
        comparison(task="logic", method="erf", bound=0.02, difference=0.0),
    ]
    first, second = answer(pd.DataFrame(rows), "grpo", SIZES)
    assert first == (
        "With policies of 106k parameters: in math, sapo (−33.0) and erf (−10.1) under lag4 score below grpo and"
        " gspo (+2.0) under lag4 scores above grpo; in logic, no difference from grpo in held-out score is established."
    )
    assert second == "In 1 of 4 comparisons in math and 1 of 1 in logic, equivalence tests leave at most 4.2 points."


def test_the_answer_claims_nothing_that_is_not_bounded():
    rows = [comparison(difference=-0.4), comparison(task="logic", detectable=None)]
    first, second = answer(pd.DataFrame(rows), "grpo", SIZES)
    assert "in math and logic, no difference from grpo in held-out score is established" in first
    assert second == (
        "About 2 the study cannot tell: a repetition would see 8.0 points with a power of 80 %,"
        " and in 1 of them none, however large."
    )


@pytest.mark.parametrize("rows", [[comparison(n=1)], [comparison(metric="mean_kl")], []])
def test_one_seed_or_one_method_answers_nothing(rows):
    found = pd.DataFrame(rows, columns=[*comparison()])
    assert "can tell nothing" in " ".join(answer(found, "grpo", SIZES))
    assert len(cells_of_interest(found)) == (rows == [comparison(n=1)])


def test_the_first_figure_shows_the_cell_that_compares_most():
    rows = [comparison(regime="near", established=True), comparison(), comparison(method="sapo")]
    rows += [comparison(task="logic", regime="near", established=True), comparison(task="logic")]
    found = cells_of_interest(pd.DataFrame(rows))
    assert sorted(found) == [("logic", "heldout", "near"), ("math", "heldout", "lag4")]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_no_background_swallows_a_colour():
    """WCAG asks for a contrast of 3 : 1 in graphics."""
    many = [f"gate{i}" for i in range(20)]
    colours = {*PALETTE, *gate_colours(many, {}, look(["grpo"], "grpo")).values()}
    for colour, background in product(colours, BACKGROUNDS):
        low, high = sorted((luminance(colour), luminance(background)))
        assert (high + 0.05) / (low + 0.05) >= 3, (colour, background)


def test_the_reference_has_the_colour_of_text_on_any_background():
    assert themed(look(["grpo", "erf"], "grpo").colour["grpo"]) == themed(INK) == "var(--ink)"


def test_no_text_ends_the_script_that_holds_it():
    text = '</script><!-- <b> & "quoted" \u2028 </SCRIPT >'
    script = as_script({"name": text})
    assert not re.search("[<>&\u2028]", script)
    assert json.loads(script) == {"name": text}


def test_the_library_is_the_same_every_time_and_asks_for_nothing():
    assert library() == library()
    assert len(library()) < 2 * 2**20


def test_the_view_has_every_run_with_four_digits():
    keys = [("math", "lag4", method, seed) for method in ("grpo", "erf") for seed in (0, 1)]
    names = ("task", "regime", "method", "seed")
    runs = [{**dict(zip(names, key, strict=True)), "benchmark": "heldout", "score": 0.123456} for key in keys]
    columns = ("reward", "eur", "kl", "grad_norm", "policy_entropy", "log_ratio_q99")
    curves = [
        {
            **dict(zip(names, key, strict=True)),
            "rollout": float(at),
            "log_ratio_q01": -1.0,
            **dict.fromkeys(columns, 1 / 3),
        }
        for key in keys
        for at in range(1, 1001)
    ]
    for row in curves[:17]:  # as many rollouts as a point of the curve stands for
        row["grad_norm"] = float("inf")
    found = view(pd.DataFrame(runs), pd.DataFrame(), pd.DataFrame(curves), look(["grpo", "erf"], "grpo"), ())
    (cell,) = found["cells"]
    assert [(run["method"], run["seed"]) for run in cell["runs"]] == [key[2:] for key in keys]
    run = cell["runs"][0]
    assert run["ends"]["score:heldout"] == 0.1235
    assert run["lines"]["eur"] == [0.3333] * len(run["x"])
    assert run["lines"]["grad_norm"][0] is None, "JSON has no infinity"
    assert len(run["x"]) <= 60
    assert run["x"][0] < run["x"][-1] <= 1000
    json.dumps(found, allow_nan=False)


def test_a_models_text_is_short_and_moves_nothing():
    assert visible("a\x00\u202eb\nc") == "a\\x00\\u202eb\nc"
    assert visible("x" * 5000) == "x" * 1200 + " … (3800 more characters)"
    assert visible(None) == visible(float("nan")) == ""


def test_samples_are_of_problems_that_divide_the_methods():
    def answers(*correct: float) -> pd.DataFrame:
        rows = [
            {"prompt": f"problem {i}", "completion": f"text {i}", "answer": "1", "extracted": None, "correct": each,
             "reason": "wrong", "seed": 3}
            for i, each in enumerate(correct)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    found = _problems({"grpo": answers(1, 1, 0, 1), "erf": answers(1, 1, 1, 0)})
    assert [each["prompt"] for each in found] == ["problem 0", "problem 2"]
    assert [each["correct"] for each in found[1]["completions"]] == [False, True]


def test_tables_fold_by_task_and_regime():
    table = pd.DataFrame([{"task": "math", "regime": r, "method": m, "x": "1"} for r in ("near", "lag4") for m in "ab"])
    found = folded(table)
    assert found["columns"] == ["method", "x"]
    [(task, regimes)] = found["tasks"]
    assert task == "math"
    assert [(regime, [row["method"] for row in rows]) for regime, rows in regimes] == [
        ("near", ["a", "b"]),
        ("lag4", ["a", "b"]),
    ]
