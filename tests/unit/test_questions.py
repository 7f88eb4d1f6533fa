"""Questions beyond the papers: planted effects are found, nulls are no differences, and words follow numbers."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from smoothgates.analysis import questions as asked
from smoothgates.analysis.questions import answers, comparisons_of
from smoothgates.analysis.variances import variance_ratio
from smoothgates.analysis.verdicts import Paired, Results
from smoothgates.errors import BadInput
from smoothgates.io.records import parse
from smoothgates.methods.table import load_methods
from smoothgates.report.question_words import headline, paragraph, rule
from smoothgates.specs.questions import Questions
from smoothgates.study.claims import load_questions
from smoothgates.study.loader import load_study
from tests.unit.test_verdicts import SEEDS, STUDIES, results, study

FILE = Path("config/questions.yaml")
QUESTIONS = {question.id: question for question in load_questions(FILE).questions}
ANSWERED = [name for name, question in QUESTIONS.items() if comparisons_of(question, study())]
"""By `evidence`."""
LAGS = {"lag0": 0, "lag1": 1, "lag2": 2, "lag4": 4, "lag8": 8}


def planted(task, regime, method, seed):
    """Sapo loses with the lag. One-sided gates are better. Without a gate, some runs collapse at a large lag.

    Runs of erf differ by their warm start, unless they have the same. Everything else is equal but for a little noise.
    """
    spread = random.Random(f"{task} {regime} {method} {seed}").gauss(0, 0.004)
    score = 0.85 + spread - (0.03 * LAGS.get(regime, 0) if method == "sapo" else 0)
    if method == "erf":
        score = 0.85 + spread + (0 if regime == "same_start" else random.Random(f"start {seed}").gauss(0, 0.05))
    if method == "none" and LAGS.get(regime, 0) >= 4 and seed % 3 == 0:
        return 0.03
    return score + 0.1 * method.endswith("one_sided")


def made(seeds=SEEDS, name="evidence") -> Results:
    found = results(study(name, seeds), planted)
    found.runs["collapsed"] = (found.runs["score"] < 0.2).astype(float)
    return found


def without(found: Results, lost) -> Results:
    """The results without the runs for which `lost` holds."""
    return Results(found.spec, found.runs[~lost], found.curves, found.theory, found.paths)


@pytest.fixture(scope="module")
def complete() -> Results:
    return made()


@pytest.fixture(scope="module")
def everything(complete) -> dict:
    return answers(complete)


@pytest.fixture(scope="module")
def answered(everything) -> dict[str, dict]:
    return {question["id"]: question for question in everything["answered"]}


def rows_of(question: dict) -> list[dict]:
    return [row for group in question["groups"] for row in group["comparisons"]]


def verdict(question: dict, method: str, regime: str, group: int = 0) -> str:
    rows = question["groups"][group]["comparisons"]
    (found,) = [row for row in rows if (row["one"]["method"], row["one"]["regime"]) == (method, regime)]
    return found["verdict"]


def test_methods_and_regimes_exist_and_evidence_answers_every_question_with_runs():
    spec, known = study(), load_methods("config/methods.yaml")
    regimes = {regime for name in STUDIES for regime in load_study(name).config.regimes}
    for name, question in QUESTIONS.items():
        for group in question.groups:
            assert {method for pair in group.methods or () for method in pair} <= known.keys()
            assert {regime for place in group.cells for regime in place.regimes} <= regimes
        groups = {each.group for each in comparisons_of(question, spec)}
        assert groups == set(range(len(question.groups))) or name not in ANSWERED
    assert len(ANSWERED) >= 8


@pytest.mark.parametrize("name", STUDIES)
def test_no_family_is_too_large_for_ten_seeds(name):
    sizes = {question.id: len(comparisons_of(question, study(name))) for question in QUESTIONS.values()}
    assert max(sizes.values()) <= 25, sizes


def test_a_group_without_methods_compares_each_method_of_a_cell_with_the_reference():
    spec = study()
    arms = [("field", method) for method in ("grpo", "cispo", "dual_clip")]
    math = spec.tasks["math"].model_copy(update={"arms": tuple(arms)})
    found = comparisons_of(QUESTIONS["field"], spec.model_copy(update={"tasks": {"math": math}}))
    assert [(each.one[1], each.other[1]) for each in found] == [("cispo", "grpo"), ("dual_clip", "grpo")]


def test_planted_effects_are_found(answered):
    lag = answered["lag"]
    assert [verdict(lag, "sapo", regime) for regime in list(LAGS)[1:]] == ["below"] * 4
    assert {verdict(lag, "grpo", regime) for regime in list(LAGS)[1:]} == {"no effect"}
    assert verdict(lag, "none", "lag8") == "cannot tell"  # three of ten collapse
    assert "olicy lag lowers the score of sapo (from 1)" in headline(lag)
    assert re.search(r"cannot tell what policy lag does to the score of .*none$", headline(lag))
    assert {row["verdict"] for row in answered["one_sided"]["groups"][0]["comparisons"]} == {"above"}
    assert re.match(
        r"A one-sided gate has a higher score than the same gate of equal half-width on both sides in (\d+) of \1 comp",
        headline(answered["one_sided"]),
    )
    assert verdict(answered["spread"], "erf", "same_start") == "below"
    assert verdict(answered["spread"], "grpo", "same_start") == "cannot tell"
    assert headline(answered["grpo_sg"]).startswith("No difference in score above ")


def test_effects_are_paired_by_seed_and_name_their_files(answered):
    (row,) = [row for row in rows_of(answered["lag"]) if list(row["one"].values())[1::2] == ["lag8", "grpo"]]
    assert (row["one"]["regime"], row["other"]["regime"], row["seeds"]) == ("lag8", "lag0", list(SEEDS))
    scores = {regime: [planted("math", regime, "grpo", seed) for seed in SEEDS] for regime in ("lag8", "lag0")}
    assert row["effects"] == pytest.approx([a - b for a, b in zip(scores["lag8"], scores["lag0"], strict=True)])
    assert row["files"][0] == "results/evidence/evaluate/math/lag8/grpo/seed0/heldout.json"
    assert row["smallest_p"] == pytest.approx(20 * 2 / 2**10)


def test_the_variances_are_those_of_runs_that_did_not_collapse(complete):
    runs = complete.runs.copy()
    fallen = (runs["regime"] == "lag4") & (runs["method"] == "grpo") & (runs["seed"] == 5)
    runs.loc[fallen, ["score", "collapsed"]] = [0.0, 1.0]
    found = Results(complete.spec, runs, complete.curves, complete.theory, complete.paths)
    (question,) = [q for q in answers(found)["answered"] if q["id"] == "spread"]
    row = rows_of(question)[0]
    values = {
        regime: [planted("math", regime, "grpo", seed) for seed in SEEDS if regime != "lag4" or seed != 5]
        for regime in ("same_start", "lag4")
    }
    assert row["n"] == 9
    ratio = np.var(values["same_start"], ddof=1) / np.var(values["lag4"], ddof=1)
    assert row["effect"] == pytest.approx(ratio, rel=0.06)  # Bonett corrects for unequal counts
    assert "grpo math lag4 1 of 10. Variances are without them." in " ".join(paragraph(question))


NULLS = 200


@pytest.mark.parametrize("name", ANSWERED)
def test_nulls_are_rarely_called_differences(name, monkeypatch):
    """All arms of a question have equal effects. At most one study in twenty may establish any difference."""
    rng, spec = np.random.default_rng(7), study()
    found = Results(spec, *[None] * 3, None)
    family = comparisons_of(QUESTIONS[name], spec)
    drawn: dict = {}

    def scores(metric, side):
        key = (metric, *side[0].model_dump().values(), side[1])
        if key not in drawn:
            drawn[key] = tuple(0.8 + shared + rng.normal(0, 0.02, len(SEEDS)))
        return drawn[key]

    def paired(metric, sides, _):
        values = tuple(scores(metric, side) for side in sides)
        return Paired(SEEDS, values, ((0.0,) * len(SEEDS),) * 2, ())

    monkeypatch.setattr(asked, "paired", paired)
    monkeypatch.setattr(asked, "surviving", lambda metric, side, _: list(scores(metric, side)))
    judge = asked.compared_variances if QUESTIONS[name].compares == "variances" else asked.compared_means
    wrong = 0
    for _ in range(NULLS):
        drawn.clear()
        shared = rng.normal(0, 0.02, len(SEEDS))
        wrong += any(row["verdict"] in ("above", "below") for row in judge(QUESTIONS[name], family, found))
    assert wrong / NULLS <= 0.05 + 3 * (0.05 * 0.95 / NULLS) ** 0.5


@pytest.mark.parametrize("draw", ["standard_normal", "standard_exponential", "t5"])
def test_the_interval_of_a_variance_ratio_covers_at_its_rate(draw):
    rng, inside, studies = np.random.default_rng(8), 0, 1000
    take = (lambda n: rng.standard_t(5, n)) if draw == "t5" else getattr(rng, draw)
    for _ in range(studies):
        found = variance_ratio(2 * take(10), take(10))
        low, high = found.interval(0.95)
        inside += low <= 4 <= high
    assert inside / studies >= (0.9 if draw == "standard_exponential" else 0.94)


def test_too_few_or_equal_values_have_no_variance_ratio():
    assert variance_ratio([1, 2, 3, 4], [1, 2, 3, 4, 5]) is None
    assert variance_ratio([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]) is None


def check_words(question: dict) -> None:
    """Every number of the heading and the paragraph is one of the verdicts, and no word says more than they do."""
    text, head = " ".join(paragraph(question)), headline(question)
    for group, said in zip(question["groups"], paragraph(question), strict=False):
        counts = Counter(row["verdict"] for row in group["comparisons"])
        rows = group["comparisons"]
        sure = re.findall(r"established in (\d+) of (\d+)", said)
        assert sure == ([(str(n), str(len(rows)))] if (n := counts["above"] + counts["below"]) else [])
        bounds = re.findall(r"no (?:difference|a factor) above ([\d.]+) ?\w* by equivalence tests in (\d+)", said)
        assert [int(n) for _, n in bounds] == ([n] if (n := counts["no effect"]) else [])
        factor = 1 if question["compares"] == "variances" else group["shown"]
        for stated, _ in bounds:
            true = factor * max(row["bound"] for row in rows if row["verdict"] == "no effect")
            assert true <= float(stated) + 1e-9 <= 1.11 * true + 1e-9
        assert [int(n) for n in re.findall(r"cannot tell in (\d+)", said)] == (
            [n] if (n := counts["cannot tell"]) else []
        )
        for stated in re.findall(r"would see (?:a factor of )?([\d.]+)", said):
            true = factor * max(row["detectable"] for row in rows if row["verdict"] == "cannot tell")
            assert true <= float(stated) + 1e-9 <= 1.11 * true + 1e-9
    kinds = {row["verdict"] for row in rows_of(question)}
    assert bool(re.search(r"\b(higher|raises|larger variance)\b", head)) <= ("above" in kinds)
    assert bool(re.search(r"\b(lower|lowers|smaller variance)\b", head)) <= ("below" in kinds)
    if not kinds & {"above", "below"}:
        assert "established in" not in text
        assert re.search(r"no difference|no more than|cannot tell|same to a factor", head, re.IGNORECASE)
    assert not re.search(r"\bnan\b|None|\binf\b", text + head)


def test_words_follow_the_numbers(answered):
    for question in answered.values():
        check_words(question)


@pytest.mark.parametrize("case", range(3))
def test_words_follow_the_numbers_of_any_study(case):
    """Random effects, of which some are wide, small or none, and random collapses and gaps."""
    dice = random.Random(case)
    effects = {}

    def score(task, regime, method, seed):
        size, spread = effects.setdefault(
            (task, regime, method), (dice.choice([0, 0, 0.03, -0.1]), dice.choice([0.004, 0.05]))
        )
        if dice.random() < 0.01:
            return float("nan")
        return 0.01 if dice.random() < 0.02 else 0.7 + size + dice.gauss(0, spread)

    found = results(study(seeds=(SEEDS, SEEDS[:7], SEEDS[:3])[case % 3]), score)
    found.runs["collapsed"] = (found.runs["score"] < 0.2).astype(float)
    for question in answers(found)["answered"]:
        check_words(question)


def test_missing_seeds_and_arms_are_named(complete):
    runs = complete.runs
    seed = (runs["method"] == "sapo") & (runs["seed"] == 3) & (runs["regime"] == "lag8")
    arm = (runs["method"] == "erf") & (runs["regime"] == "lag8")
    lag = {question["id"]: question for question in answers(without(complete, seed | arm))["answered"]}["lag"]
    text = " ".join(paragraph(lag))
    assert "On fewer than 10 seeds: sapo lag8 (9)." in text
    assert "not compared: erf lag8 (needs a seed with score of erf)" in text
    assert verdict(lag, "erf", "lag8") == "not run"
    assert "over 19 comparisons" in rule(lag)
    assert re.search(r"cannot tell what policy lag does to the score of .*erf", headline(lag))


@pytest.mark.parametrize(("seeds", "words"), [((0,), "1 seed can establish"), ((0, 1, 2), "3 seeds can establish")])
def test_few_seeds_establish_nothing(seeds, words):
    for question in answers(made(seeds))["answered"]:
        assert not {row["verdict"] for row in rows_of(question)} & {"above", "below"}
        check_words(question)
        if question["id"] == "lag":
            assert f"({words} nothing in a family of 20)" in " ".join(paragraph(question))


def test_a_study_names_what_it_has_no_cells_for_and_a_rehearsal_answers_nothing():
    found = answers(made(name="laptop"))
    assert {question["id"] for question in found["answered"]} >= {"tail_or_width", "one_sided", "smooth_or_hard"}
    assert {question["id"] for question in found["absent"]} >= {"noise", "spread", "field"}
    assert len(found["answered"]) + len(found["absent"]) == len(QUESTIONS)
    assert answers(results(study("laptop_rehearsal_cpu"), planted))["answered"] == []


def test_equal_results_give_equal_bytes(complete, everything):
    turned = Results(complete.spec, complete.runs[::-1], complete.curves, complete.theory, complete.paths)
    assert json.dumps(everything, allow_nan=False) == json.dumps(answers(turned), allow_nan=False)


MISTAKES = [
    ("asks", "", "questions.0.asks: String should have at least 1 character"),
    ("compares", "medians", "questions.0.compares: Input should be 'means' or 'variances'"),
    ("groups.0.metric", "rewards", "questions.0.groups.0.metric: Input should be 'score', "),
    ("groups.0.margin", 0.0, "questions.0.groups.0.margin: Input should be greater than 0"),
    ("groups.0.against", "lag0", "methods: expected [both], as `against` is given, got ['sigmoid_wide', 'erf_wide']"),
    ("groups.0.methods", [["erf"]], "methods: expected [one, other], as `against` is not given, got ['erf']"),
    ("dial", {"name": "x", "label": "x", "values": {"lag0": 0.0, "lag1": 1.0}}, "groups: expected `against` in each"),
    ("id", "lag", "questions: 'lag' is the id of two"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_a_mistake_is_one_line_with_file_and_key(path, value, message, tmp_path):
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    *parents, last = path.split(".")
    place = content["questions"][0]
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    file = tmp_path / "questions.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        load_questions(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


GROUP = {"one": "a", "other": "b", "margin": 0.1, "cells": [{"task": "math", "regimes": ["lag4"]}], "against": "lag0"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"groups": [GROUP]}, "methods: expected the methods that are compared with themselves"),
        (
            {
                "groups": [GROUP | {"methods": [["erf"]]}],
                "dial": {"name": "x", "label": "x", "values": {"lag0": 0, "lag1": 1}},
            },
            "dial.values: expected every regime in groups, 'lag4' is not there",
        ),
    ],
)
def test_sides_and_dials_must_fit(more, message):
    with pytest.raises(BadInput, match=message):
        parse(Questions, {"questions": [{"id": "x", "asks": "x", **more}]}, "here")
