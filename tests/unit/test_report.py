"""The page describes its own study, and its figures are readable with any number of panels."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from smoothgates.report.figures import curves_figure, scores_figure
from smoothgates.report.findings import findings
from smoothgates.report.style import look
from smoothgates.report.tables import outcomes_table, score_table
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


def test_collapses_stand_beside_scores():
    cell = {"task": "math", "benchmark": "heldout", "regime": "lag4", "metric": "score", "low": 0.2, "high": 0.9}
    ends = {"grpo": [0.5, 0.6], "erf": [0.9, 0.0]}
    rows = [
        {**cell, "method": m, "mean": sum(s) / 2, "median": s[0], "iqm": s[0], "by_seed": {"0": s[0], "1": s[1]},
         "collapsed": int(min(s) == 0), "of": 2, "collapse_low": 0.01, "collapse_high": 0.99}
        for m, s in ends.items()
    ]  # fmt: skip
    nothing = pd.DataFrame(columns=["task", "benchmark", "regime", "method", "metric"])
    summaries = pd.DataFrame(rows)
    scores = score_table(summaries, nothing, ["grpo", "erf"]).set_index("method")
    assert scores["collapsed"].to_dict() == {"grpo": "0 of 2", "erf": "1 of 2"}
    outcomes = outcomes_table(summaries, nothing, ["grpo", "erf"]).set_index("method")
    assert outcomes.loc["erf", ["worst", "collapse rate"]].tolist() == ["0.0", "50 [1, 99]"]
    (finding,) = findings(summaries, nothing, "grpo", 0.95)
    assert finding.detail.endswith("Collapsed: erf 1 of 2 runs.")
