"""Verdicts follow one rule: planted effects are found, planted nulls are bounded, and no other policy is spoken of."""

import json
import random
import re
from itertools import groupby
from pathlib import Path

import pandas as pd
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from smoothgates.analysis.measures import MEASURES
from smoothgates.analysis.rule import Compared, judge
from smoothgates.analysis.verdicts import Results, verdicts
from smoothgates.io.paths import Paths
from smoothgates.report.verdicts import section, verdict_table
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.claims import Check, Claims, Metric
from smoothgates.study.loader import load_study

SEEDS = tuple(range(10))
THEORY = {name: {"holds": name != "printed_weights_are_one", "detail": "computed"} for name in Check.__args__}


def study(name: str = "evidence", seeds=SEEDS, claims: Claims | None = None) -> AnalyseSpec:
    spec = load_study(name).analyse_spec()
    return spec.model_copy(update={"seeds": seeds, "claims": claims or spec.claims})


def results(spec: AnalyseSpec, score, updates=None) -> Results:
    """Results of a study in which `score(task, regime, method, seed)` is the score, and everything else is flat."""
    runs, curves = [], []
    for task, arms in spec.tasks.items():
        for regime, method in arms.arms:
            for seed in spec.seeds:
                keys = {"task": task, "regime": regime, "method": method, "seed": seed}
                final = {"score": score(task, regime, method, seed), "drawdown": 0.0, "mean_eur": 0.5}
                runs += [{**keys, "benchmark": b, "sampling_error": 0.005, **final} for b in arms.benchmarks]
                for update in range(8):
                    row = {"rollout": float(update // 2 + 1), "reward": 0.5, "attenuated": 0.01, "eur_by_prompt": 0.5}
                    row |= {"entropy": 1.0 + 0.01 * (update // 2), "grad_norm": 1.0}
                    row |= {"log_ratio_q05": -0.05, "log_ratio_q95": 0.05, "routing_churn": 0.0}
                    curves.append({**keys, **row, **(updates(method, seed, update) if updates else {})})
    return Results(spec, pd.DataFrame(runs), pd.DataFrame(curves), THEORY, Paths(spec.study))


def noise(seed: int, method: str) -> float:
    return random.Random(f"{method} {seed}").gauss(0, 0.005)


PLANTED = {"erf": 0.10, "arctan": -0.10, "softsign": 0.0, "sigmoid": 0.0}


def planted(task, regime, method, seed):
    """Erf is better than grpo, arctan worse, softsign and sigmoid are equal to it but for a little noise."""
    wide = 0.3 * random.Random(f"wide {method} {seed}").gauss(0, 1) if method == "gspo" else 0.0
    return 0.5 + PLANTED.get(method, 0.0) + noise(seed, method) + wide


def of(found: dict, name: str) -> dict:
    return next(row for row in found["verdicts"] if row["id"] == name)


@pytest.fixture(scope="module")
def found() -> dict:
    return verdicts(results(study(), planted))


@pytest.mark.parametrize(
    ("claim", "kind", "words"),
    [
        ("gates_accuracy_gsm8k_erf", "holds", r"holds at 106k parameters"),
        ("gates_accuracy_gsm8k_arctan", "opposite", r"opposite at 106k parameters"),
        ("gates_accuracy_gsm8k_softsign", "no effect", r"no effect above [\d.]+ points at 106k parameters"),
        (
            "sapo_ends_above_gspo",
            "cannot tell",
            r"cannot tell at 106k parameters \(would see \d+ points at 80 % power\)",
        ),
        (
            "gates_accuracy_aime_erf",
            "not run",
            r"not run \(needs study smooth_gates: 9,918 GPU-hours for 10 seeds on h100\)",
        ),
        (
            "sapo_variance_is_small",
            "not run",
            r"not run \(needs the metric sequence_variance, which is not logged; study sapo: .*\)",
        ),
        ("gspo_score_code", "not run", r"not run \(needs a task of code, which this project does not have\)"),
        ("gates_theory_admissible_erf", "holds", "holds numerically, without a policy"),
        ("grpo_sg_theory_printed_constants", "opposite", "opposite numerically, without a policy"),
    ],
)
def test_each_verdict_by_rule(found, claim, kind, words):
    row = of(found, claim)
    assert row["verdict"] == kind, row["words"]
    assert re.fullmatch(words, row["words"]), row["words"]


def test_a_verdict_has_its_numbers_and_the_files_behind_it(found):
    row = of(found, "gates_accuracy_gsm8k_erf")
    assert row["effect"] == pytest.approx(0.1, abs=0.01)
    assert row["low"] < row["effect"] < row["high"]
    assert (row["n"], row["seeds"], row["scale"]) == (10, list(SEEDS), "106k parameters")
    size = len(found["family"]["claims"])
    assert row["smallest_p"] == pytest.approx(size * 2 / 2**10) == pytest.approx(row["p"])
    assert len(row["files"]) == 20
    assert row["files"][0] == "results/evidence/evaluate/math/lag4/erf/seed0/heldout.json"
    assert row["methods"] == ["erf", "grpo"]
    assert row["reported"]["policy"] == "Qwen2.5-7B-Instruct"
    updates = of(found, "gates_entropy_decay_avoided")
    assert updates["files"][0] == "results/evidence/train/math/lag4/erf/seed0/metrics.parquet"


def test_the_family_is_what_was_tested_and_the_counts_add_up(found):
    tested = {row["id"] for row in found["verdicts"] if "n" in row}
    assert set(found["family"]["claims"]) == tested
    assert 10 < len(tested) <= 25
    counts = found["counts"]
    assert sum(counts["runs"].values()) + sum(counts["theory"].values()) == len(found["verdicts"]) == 53
    assert counts["theory"] == {"holds": 13, "opposite": 1, "no effect": 0, "cannot tell": 0, "not run": 0}


def test_every_verdict_on_runs_names_their_scale_and_no_other(found):
    for row in found["verdicts"]:
        if "n" in row:
            assert row["scale"] in ("106k parameters", "181k parameters")
            assert f" at {row['scale']}" in row["words"]
            assert "B param" not in row["words"]


def test_three_seeds_establish_nothing_and_one_seed_has_no_interval():
    three = of(verdicts(results(study(seeds=(0, 1, 2)), planted)), "gates_accuracy_gsm8k_erf")
    assert three["verdict"] == "cannot tell"
    assert three["words"] == "cannot tell at 106k parameters (3 seeds can establish nothing in this family)"
    one = of(verdicts(results(study(seeds=(0,)), planted)), "gates_accuracy_gsm8k_erf")
    assert (one["verdict"], one["low"], one["bound"]) == ("cannot tell", None, None)
    assert one["words"] == "cannot tell at 106k parameters (one seed)"


def test_a_null_is_called_no_effect_only_within_the_margin():
    effects = tuple(noise(seed, "a") for seed in SEEDS)
    kinds = [judge([Compared(effects, 0.0, "above", margin)], 0.95)[0].kind for margin in (0.02, 0.0001)]
    assert kinds == ["no effect", "cannot tell"]


def test_the_first_cell_that_a_study_has_counts_and_missing_seeds_are_left_out_by_name():
    spec = study()
    made = results(spec, planted)
    lost = (made.runs["method"] == "erf") & (made.runs["seed"] == 3)
    row = of(verdicts(Results(spec, made.runs[~lost], made.curves, THEORY, made.paths)), "gates_accuracy_gsm8k_erf")
    assert (row["n"], 3 in row["seeds"], len(row["files"])) == (9, False, 18)
    assert row["cell"] == {"task": "math", "regime": "lag4", "benchmark": "heldout"}


def test_an_unknown_cell_is_not_run_even_if_its_task_has_no_result():
    spec = study()
    made = results(spec, planted)
    none = made.runs[made.runs["method"] != "erf"]
    row = of(verdicts(Results(spec, none, made.curves, THEORY, made.paths)), "gates_accuracy_gsm8k_erf")
    assert row["words"].startswith("not run (needs a seed with score of erf and grpo; study smooth_gates")


STUDIES = ["laptop", "evidence", "one_gpu", "smooth_gates", "sapo", "gspo", "grpo_sg", "grpo_sg_4b"]


@pytest.mark.parametrize("name", [*STUDIES, *(f"{name}_rehearsal_cpu" for name in STUDIES)])
def test_every_study_of_config_gets_its_verdicts(name):
    spec = load_study(name).analyse_spec()
    found = verdicts(results(spec, planted))
    assert len(found["verdicts"]) == 53
    tested = [row for row in found["verdicts"] if "n" in row]
    if "rehearsal" in name:
        assert not tested
        assert "more than a rehearsal" in of(found, "sapo_ends_above_gspo")["words"]
    for row in tested:
        assert spec.tasks[row["cell"]["task"]].scale[row["cell"]["regime"]] == row["scale"]
        assert len(spec.seeds) > 3 or row["verdict"] in ("cannot tell", "no effect")
    page = section(found, verdict_table(found["verdicts"]))
    assert page["total"] == 53
    assert len(page["rows"]) == sum(paper["rows"] for paper in page["papers"]) == 53


def test_a_policy_of_the_papers_size_is_named_by_its_size():
    row = of(verdicts(results(study("sapo"), planted)), "sapo_ends_above_gspo")
    assert " at 30.5B parameters, Qwen/Qwen3-30B-A3B-Base" in row["words"]


def test_equal_results_give_equal_bytes():
    spec = study()
    one, two = (json.dumps(verdicts(results(spec, planted)), allow_nan=False) for _ in range(2))
    made = results(spec, planted)
    turned = Results(spec, made.runs.iloc[::-1], made.curves, THEORY, made.paths)
    assert one == two == json.dumps(verdicts(turned), allow_nan=False)


def test_the_names_of_measures_are_those_that_claims_may_use():
    assert set(Metric.__args__) == set(MEASURES)


UPDATES = pd.DataFrame(
    {
        "rollout": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0],
        "reward": [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.9, 0.9],
        "format_reward": [0.0, 0.0, 0.3, 0.3, 0.6, 0.6, 1.0, 1.0],
        "entropy": [2.0, 2.0, 1.9, 1.9, 1.7, 1.7, 1.5, 1.5],
        "eur_by_prompt": [0.1, 0.1, 0.1, 0.3, 0.3, 0.5, 0.6, 0.6],
        "sequence_variance": [0.0, 0.02, 0.0, 0.02, float("nan"), 0.02, 0.0, 0.01],
        "grad_norm": [1.0, 2.0, 1.0, 2.0, float("nan"), 1.0, 2.0, 1.0],
        "log_ratio_q05": [-0.3] * 8,
        "log_ratio_q95": [0.1] * 8,
        "attenuated": [0.25] * 8,
    }
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("last_reward", 0.9),
        ("last_entropy", 1.5),
        ("entropy_change", -0.5),
        ("entropy_eur_correlation", -1.0),
        ("grad_norm_jumps", 0.6931),
        ("log_ratio_reach", 0.3),
        ("rollouts_to_format", 3.0),
        ("attenuated", 0.25),
        ("eur", 0.325),
        ("sequence_variance", 0.01),
    ],
)
def test_measures_by_hand(name, expected):
    assert MEASURES[name].of(pd.Series(dtype=float), UPDATES) == pytest.approx(expected, abs=0.01)


def test_the_page_shows_every_claim_of_each_paper_escaped_and_in_words(found):
    shown = section(found, verdict_table(found["verdicts"]))
    loader = FileSystemLoader("src/smoothgates/report")
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("verdicts.html.j2")
    html = template.render(claims=shown, spec={"confidence": 0.95, "study": "laptop"})
    kinds = re.findall(r'data-verdict="([\w ]+)"', html)
    assert [kind for kind, _ in groupby(kinds)] == [
        "holds",
        "opposite",
        "no effect",
        "cannot tell",
        "theory",
        "not run",
    ]
    for kind in {*kinds}:
        assert f'<option value="{kind}">{kind} ({kinds.count(kind)})</option>' in html
    assert re.findall(r'<option value="(\d+\.\d+)">', html) == sorted({row["paper"] for row in found["verdicts"]})
    assert {*re.findall(r'id="claim-(\w+)"', html)} == {row["id"] for row in found["verdicts"]}
    assert "Of 53 claims of the four papers, 39 are about trained policies" in html
    assert re.search(r"At the scale of this study: <b>\d+ holds?, \d+ (is|are) the opposite", html)
    row = re.search(r'<tr id="claim-gates_accuracy_gsm8k_erf".*?</tr>', html, re.DOTALL)[0]
    for words in ("holds at 106k parameters", "math · lag4 · heldout · score of erf − grpo", "+10.", "82.7 % against"):
        assert words in row
    assert "gspo − 10 × grpo" in html
    assert "sapo − 0.1" in html
    assert not re.search(r"https?://|\bnan\b|None", html)


def test_measures_and_claims_are_documented():
    page = Path("docs/claims.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) >= set(MEASURES)
