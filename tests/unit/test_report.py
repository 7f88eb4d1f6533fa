"""The page describes its own study, and its figures are readable with any number of panels."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from smoothgates.report.figures import curves_figure, scores_figure
from smoothgates.report.findings import findings
from smoothgates.report.style import look
from smoothgates.report.tables import learning_curves, outcomes_table, score_table, training_curves
from smoothgates.report.text import as_text, latex
from smoothgates.report.verdicts import verdict_numbers
from smoothgates.study.loader import load_study

LOOK = look(["grpo", "erf"], "grpo")


def runs(controls: dict[str, float]) -> pd.DataFrame:
    cell = {"task": "math", "benchmark": "heldout", "seed": 0}
    rows = [{**cell, "regime": "near", "method": method, "score": 0.5} for method in ("grpo", "erf")]
    return pd.DataFrame([*rows, *({**cell, "regime": "control", "method": m, "score": s} for m, s in controls.items())])


def means(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(metric="score", mean=frame["score"], low=float("nan"), high=float("nan"))


def test_one_seed_gives_no_interval():
    cell = {"task": "math", "benchmark": "heldout", "regime": "near", "method": "erf", "metric": "score"}
    nothing = float("nan")
    difference = {"difference": 0.0, "low": nothing, "high": nothing, "n": 1, "by_seed": [0.0], "holm": 1.0}
    frame = pd.DataFrame([{**cell, **difference, "established": False}])
    [found] = findings(means(runs({})), frame, "grpo", 0.95)
    assert found.headline == "One seed is too few to compare"
    assert "contains 0" not in found.detail


def test_a_study_has_its_notes_and_its_rehearsal_has_none():
    assert "A 106k-parameter policy is not a 7B model." in load_study("laptop").report_spec().notes
    assert load_study("laptop_rehearsal_cpu").report_spec().notes == load_study("sapo").report_spec().notes == {}


@pytest.mark.parametrize("scores", [(0.01, 0.02), (0.02, 0.01), (0.3, 0.3)])
def test_the_labels_of_close_controls_do_not_overlap(scores):
    frame = runs(dict(zip(("warm_start", "sft"), scores, strict=True)))
    figure = scores_figure(frame, means(frame), LOOK, ())
    figure.draw_without_rendering()
    labels = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(labels) == 2
    assert not labels[0].overlaps(labels[1])
    plt.close(figure)


def test_a_logarithmic_axis_within_one_decade_has_tick_labels():
    columns = ("reward", "eur", "kl", "grad_norm", "policy_entropy", "log_ratio_q99")
    cell = {"task": "math", "regime": "near", "method": "grpo", "seed": 0, "log_ratio_q01": 0.0}
    frame = pd.DataFrame([{**cell, "rollout": i, **dict.fromkeys(columns, 0.3 + i / 10)} for i in range(4)])
    figure = curves_figure(frame, LOOK)
    figure.draw_without_rendering()
    logarithmic = [axis for axis in figure.axes if axis.get_yscale() == "log"]
    assert len(logarithmic) == 3
    for axis in logarithmic:
        low, high = axis.get_ylim()
        ticks = [*axis.yaxis.get_major_ticks(), *axis.yaxis.get_minor_ticks()]
        assert any(tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high)
    plt.close(figure)


ENDS = {"grpo": [0.5, 0.6], "erf": [0.9, 0.0]}
CELL = {"task": "math", "benchmark": "heldout", "regime": "lag4", "metric": "score"}
SUMMARIES = pd.DataFrame(
    [
        {**CELL, "method": m, "mean": sum(s) / 2, "low": 0.2, "high": 0.9, "n": 2, "median": s[0], "iqm": s[0],
         "by_seed": {"0": s[0], "1": s[1]},
         "collapsed": int(min(s) == 0), "of": 2, "collapse_low": 0.01, "collapse_high": 0.99}
        for m, s in ENDS.items()
    ]
)  # fmt: skip
NOTHING = pd.DataFrame(columns=["task", "benchmark", "regime", "method", "metric"])


def test_collapses_stand_beside_scores():
    scores = as_text("scores", score_table(SUMMARIES, NOTHING, ["grpo", "erf"])).set_index("method")
    assert scores["collapsed"].to_dict() == {"grpo": "0 of 2", "erf": "1 of 2"}
    outcomes = as_text("outcomes", outcomes_table(SUMMARIES, NOTHING, ["grpo", "erf"])).set_index("method")
    assert outcomes.loc["erf", ["worst", "collapse rate"]].tolist() == ["0.0", "50 [1, 99]"]
    (finding,) = findings(SUMMARIES, NOTHING, "grpo", 0.95)
    assert finding.detail.endswith("Collapsed: erf 1 of 2 runs.")


def test_tables_are_numbers_and_their_text_has_the_same_ones():
    difference = {**CELL, "method": "erf", "difference": -0.1, "low": -0.21, "high": 0.012, "n": 2, "p": 1.0}
    difference |= {"holm": 1.0, "bound": 0.2001, "detectable": None, "improvement": 0.5}
    table = score_table(SUMMARIES, pd.DataFrame([difference]), ["grpo", "erf"])
    assert table.to_csv(index=False).splitlines() == [
        "task,benchmark,regime,method,mean,low,high,n,median,collapsed,of,"
        "difference,difference_low,difference_high,p,holm,bound,detectable",
        "math,heldout,lag4,grpo,0.55,0.2,0.9,2,0.5,0,2,,,,,,,",
        "math,heldout,lag4,erf,0.45,0.2,0.9,2,0.9,1,2,-0.1,-0.21,0.012,1.0,1.0,0.2001,",
    ]
    text = as_text("scores", table)
    assert text.columns.tolist() == [
        *("task", "regime", "method", "Pass@1", "median", "collapsed"),
        *("Δ", "p (Holm)", "|Δ| at most", "would see"),
    ]
    assert text.iloc[1, 3:].tolist() == [
        "45.0 [20.0, 90.0]", "90.0", "1 of 2", "−10.0 [−21.0, +1.2]", "1", "20.1", "–",
    ]  # fmt: skip
    assert text.iloc[0, 6:].tolist() == ["–"] * 4
    assert r"$-$10.0 [$-$21.0, +1.2] & 1 & 20.1 & -- \\" in latex(text)


def test_curves_are_numbers_over_seeds():
    rows = [
        {"task": "math", "regime": "near", "method": "erf", "seed": seed, "rollout": float(rollout), "eur": eur,
         "log_ratio_q01": -eur, "log_ratio_q99": 0.5}
        for seed, rollout, eur in [(0, 1, 0.25), (0, 1, 0.75), (1, 1, 1.0), (0, 2, 0.5)]
    ]  # fmt: skip
    found = training_curves(pd.DataFrame(rows), ["eur", "spread"])
    assert found.to_csv(index=False).splitlines() == [
        "task,regime,method,rollout,metric,mean,min,max,n",
        "math,near,erf,1,eur,0.75,0.5,1.0,2",
        "math,near,erf,2,eur,0.5,0.5,0.5,1",
        "math,near,erf,1,spread,1.25,1.0,1.5,2",
        "math,near,erf,2,spread,1.0,1.0,1.0,1",
    ]
    rows = [
        {**CELL, "method": "erf", "seed": seed, "rollouts": 4, "score": score} for seed, score in enumerate([0.5, 0.25])
    ]
    (found,) = learning_curves(pd.DataFrame(rows).drop(columns="metric")).to_dict("records")
    assert (found["rollouts"], found["mean"], found["min"], found["max"], found["n"]) == (4, 0.375, 0.25, 0.5, 2)


def test_verdicts_are_numbers_in_the_unit_beside_them():
    share = {"id": "a", "verdict": "holds", "effect": 0.1, "unit": "points", "shown": 100, "n": 10}
    share |= {"cell": {"task": "math", "regime": "lag4", "benchmark": "heldout"}, "methods": ["erf", "grpo"]}
    nats = {"id": "b", "verdict": "opposite", "effect": 0.1, "unit": "nats", "shown": 1.0, "n": 10}
    table = verdict_numbers([share, nats, {"id": "c", "verdict": "not run"}])
    assert table["unit"].fillna("").tolist() == ["share", "nats", ""]
    assert table.to_csv(index=False).splitlines()[1] == "a,,holds,0.1,,,share,10,,,,,,math,lag4,heldout,,erf grpo"
