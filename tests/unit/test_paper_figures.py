"""Figures of the papers draw what their tables say, from runs that there are, and say what they would need."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from smoothgates.methods.table import load_methods
from smoothgates.objective import diagnostics
from smoothgates.report.papers.catalogue import BY_ID, paper_figures
from smoothgates.report.papers.figure import Drawn, NotDrawn, PaperData
from smoothgates.report.papers.lines import MOST_POINTS, over_seeds
from smoothgates.report.papers.spread import BINS, EDGES
from smoothgates.report.style import look

METHODS = load_methods("config/methods.yaml")
ARMS = {
    ("math", "near"): ("grpo", "erf", "gspo"),
    ("math", "lag4"): ("grpo", "sigmoid", "erf", "arctan", "softsign", "sapo", "sapo_095", "erf_5", "grpo_sg"),
    ("math", "moe"): ("grpo", "grpo_r2", "gspo", "sapo"),
    ("logic", "near"): ("grpo", "grpo_sg"),
}
SMOOTH = ("sigmoid", "erf", "arctan", "softsign")
SEEDS, ROLLOUTS = (0, 1, 2), 6


def curves() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for (task, regime), methods in ARMS.items():
        for method in methods:
            for seed in SEEDS:
                for update in range(2 * ROLLOUTS):
                    row = {"rollout": update // 2 + 1.0, "update": update + 1.0, "reward": rng.random()}
                    row |= {"policy_entropy": rng.random(), "eur": rng.random(), "attenuated": rng.random()}
                    row |= {"grad_norm": rng.lognormal(), "routing_churn": 0.01 if regime == "moe" else np.nan}
                    rows.append({"task": task, "regime": regime, "method": method, "seed": seed, **row})
    return pd.DataFrame(rows)


def with_sequences(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that SAPO's second and third figure need."""
    rng = np.random.default_rng(1)
    shares = pd.DataFrame(rng.dirichlet(np.ones(len(BINS)), len(frame)), columns=BINS)
    variance = np.where(frame["update"] == 1, 0.0, rng.lognormal(-5, 1, len(frame)))
    return pd.concat([frame, shares], axis=1).assign(sequence_variance=variance, sequence_gap=variance / 10)


def data(frame: pd.DataFrame) -> PaperData:
    runs = frame[["task", "regime", "method", "seed"]].drop_duplicates().assign(benchmark="heldout", status="finished")
    controls = [("math", "control", name, 0) for name in ("warm_start", "warm_start_moe")]
    starts = pd.DataFrame(controls, columns=["task", "regime", "method", "seed"])
    points = pd.concat([starts.assign(rollouts=0), *(runs.assign(rollouts=i) for i in (3, 6))], ignore_index=True)
    ratio = np.linspace(0, 3.5, 36)
    gates = [
        pd.DataFrame({"gate": gate, "scale": tau, "positive": sign, "ratio": ratio, "f": ratio, "weight": 1.0})
        for gate, scales in {"clip": (0.2,), **dict.fromkeys(SMOOTH, (1, 10))}.items()
        for tau in scales
        for sign in (True, False)
    ]
    names = list(dict.fromkeys(frame["method"]))
    return PaperData(
        curves=frame,
        learning=points.assign(benchmark="heldout", score=np.linspace(0.2, 0.8, len(points))),
        runs=runs,
        gates=pd.concat(gates, ignore_index=True),
        methods={name: METHODS[name] for name in names},
        scale={cell: "181k parameters" if cell[1] == "moe" else "106k parameters" for cell in ARMS},
        starts={cell: "warm_start_moe" if cell[1] == "moe" else "warm_start" for cell in ARMS},
        look=look(names, "grpo"),
        gate_colours={gate: f"C{i}" for i, gate in enumerate(("clip", *SMOOTH))},
    )


@pytest.fixture(scope="module")
def full() -> PaperData:
    return data(with_sequences(curves()))


def drawn(name: str, found: PaperData) -> Drawn:
    figure = BY_ID[name](found)
    assert isinstance(figure, Drawn), figure
    return figure


def test_every_figure_to_reproduce_is_there_once():
    wanted = [*(f"gates_f{i}" for i in range(1, 6)), *(f"sapo_f{i}" for i in range(1, 6))]
    assert list(BY_ID) == [*wanted, "gspo_f1", "gspo_f2", "gspo_f3", "grpo_sg_gradient_norms"]


@pytest.mark.parametrize("name", BY_ID)
def test_each_figure_has_a_legend_few_lines_and_its_numbers(name, full, tmp_path):
    figure = drawn(name, full)
    function, *arguments = figure.call
    made = function(*arguments)
    assert made.legends
    assert len(made.legends[0].get_texts()) >= 2
    for axis in made.axes:
        assert axis.lines or axis.patches
        colours = [line.get_color() for line in axis.lines if not line.get_label().startswith("_")]
        assert len(set(colours)) == len(colours) <= 8
    plt.close(made)
    assert "In the paper: " in figure.caption
    figure.save_numbers(tmp_path / "x.csv")
    assert len(pd.read_csv(tmp_path / "x.csv")) == len(figure.table) > 0


def test_a_line_is_the_mean_over_seeds_of_the_rollouts_mean(full):
    table = drawn("gates_f4", full).table
    own = full.curves[(full.curves["regime"] == "lag4") & (full.curves["method"] == "erf")]
    by_seed = own.groupby(["seed", "rollout"])["eur"].mean().unstack()
    rows = table[(table["method"] == "erf") & (table["quantity"] == "eur")].set_index("x")
    assert rows["mean"].tolist() == pytest.approx(by_seed.mean().tolist())
    assert rows["low"].tolist() == pytest.approx(by_seed.min().tolist())
    assert rows["high"].tolist() == pytest.approx(by_seed.max().tolist())
    assert set(rows["seeds"]) == {3}


def test_what_is_drawn_is_the_table(full):
    figure = drawn("gates_f3", full)
    made = figure.call[0](*figure.call[1:])
    (axis,) = made.axes
    for line in axis.lines:
        own = figure.table[figure.table["method"] == line.get_label().partition(",")[0]]
        assert line.get_xydata() == pytest.approx(own[["x", "mean"]].to_numpy())
    plt.close(made)


def test_regimes_with_the_most_methods_are_drawn(full):
    """GRPO with replay is only where policies have experts; near on-policy lacks three of the published gates."""
    places = {name: set(drawn(name, full).table["regime"]) for name in ("gates_f3", "sapo_f4", "gspo_f1", "gspo_f3")}
    assert places == {"gates_f3": {"lag4"}, "sapo_f4": {"moe"}, "gspo_f1": {"moe"}, "gspo_f3": {"moe"}}
    norms = drawn("grpo_sg_gradient_norms", full).table
    assert set(zip(norms["task"], norms["regime"], strict=True)) == {("math", "lag4"), ("logic", "near")}
    assert set(norms["x"]) == set(range(1, 2 * ROLLOUTS + 1)), "each update"


def test_scores_begin_at_the_start_of_the_regime(full):
    table = drawn("sapo_f4", full).table
    scores = table[table["quantity"] == "score: heldout"].set_index(["method", "x"])
    start = full.learning[full.learning["method"] == "warm_start_moe"]["score"].item()
    assert scores.loc[("sapo", 0), "mean"] == pytest.approx(start)
    assert set(scores.index.get_level_values("x")) == {0, 3, 6}


def test_the_variance_of_policies_with_experts_is_apart(full):
    with_experts, without = (drawn(name, full).table for name in ("sapo_f2", "sapo_f3"))
    assert set(with_experts["regime"]) == {"moe"}
    assert set(without["regime"]) == {"lag4"}
    for table in (with_experts, without):
        assert table["share"].sum() == pytest.approx(1)
        assert table["sequence_gap"].notna().sum() == len(SEEDS) * 2 * ROLLOUTS


def test_bins_are_those_that_are_logged():
    assert diagnostics.BINS == EDGES


def test_a_figure_without_data_says_what_it_needs():
    few = data(curves().query("regime == 'near'"))
    found = {figure.head.id: figure for figure in paper_figures(few)}
    assert {name for name, figure in found.items() if isinstance(figure, NotDrawn)} == {
        "gates_f2", "gates_f5", "sapo_f2", "sapo_f3", "sapo_f4", "sapo_f5", "gspo_f3",
    }  # fmt: skip
    assert found["gates_f2"].needs == "runs of erf and of erf_1 or erf_5 or erf_13 in one regime of math"
    assert "log_ratio_bin0, sequence_variance, sequence_gap, which these runs do not log" in found["sapo_f2"].needs
    assert "Without runs here: arctan, sigmoid, softsign." in found["gates_f3"].caption


def test_the_caption_names_the_policy_the_seeds_and_runs_that_diverged(full):
    broken = full.runs.assign(
        status=np.where((full.runs["method"] == "erf") & (full.runs["seed"] < 2), "diverged", "finished")
    )
    words = drawn("gates_f3", replace(full, runs=broken)).caption
    assert "Here: math lag4; a policy of 106k parameters; 3 seeds." in words
    assert "Runs that diverged, drawn up to there: math lag4 erf (2)." in words
    assert "diverged" not in drawn("gspo_f3", replace(full, runs=broken)).caption


def test_values_that_are_not_finite_are_left_out_and_the_seeds_counted():
    frame = curves()
    gone = (frame["method"] == "erf") & (frame["seed"] == 1) & (frame["rollout"] > 2)
    frame.loc[gone, "reward"] = np.inf
    table = drawn("gates_f3", data(frame)).table
    erf = table[table["method"] == "erf"].set_index("x")
    assert erf["seeds"].tolist() == [3, 3, 2, 2, 2, 2]
    assert np.isfinite(erf[["mean", "low", "high"]]).all(axis=None)


def test_long_curves_are_averaged_over_windows():
    steps = 5 * MOST_POINTS
    rows = pd.DataFrame({"seed": 0, "x": np.arange(1, steps + 1), "value": np.arange(1.0, steps + 1)})
    found = over_seeds(rows, ("math", "near"), "grpo", "reward")
    assert len(found) == MOST_POINTS
    assert found.iloc[0][["x", "mean"]].tolist() == [5, 3.0]
