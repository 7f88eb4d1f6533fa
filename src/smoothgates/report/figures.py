"""The report's figures. Each function takes tables and returns a figure; `page_figures` names those of the page."""

from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from smoothgates.report.answer import cells_of_interest
from smoothgates.report.differences import differences_figure
from smoothgates.report.style import DASHES, FAINT, SOFT, Look
from smoothgates.report.tables import rollout_means
from smoothgates.specs.control import CONTROL, WARM_START, WARM_START_MOE

CURVES = (
    ("reward", "reward of the newest rollout", "linear"),
    ("eur", "EUR: mean f′", "linear"),
    ("kl", "KL(π_old ‖ π), nats", "log"),
    ("grad_norm", "gradient norm before clipping", "log"),
    ("policy_entropy", "entropy, nats per token", "linear"),
    ("spread", "log r: 1 % to 99 % quantile", "log"),
)
"""Column, label and scale of each row of the curves figure."""

ROUTING = (("routing_churn", "changed by one update"), ("routing_drift", "changed since sampling"))
"""Column and label of each panel of the routing figure."""


@dataclass(frozen=True)
class FigureData:
    """What figures can show. docs/metrics.md has the columns of the tables."""

    runs: pd.DataFrame
    """One row per run and benchmark."""
    summaries: pd.DataFrame
    """Means over seeds."""
    comparisons: pd.DataFrame
    """Paired differences from the reference."""
    learning: pd.DataFrame
    """Scores of the checkpoints on the way; may be empty."""
    curves: pd.DataFrame
    """Metrics of every update."""
    routed: pd.DataFrame
    """The rows of `curves` of policies with experts; may be empty."""
    gates: pd.DataFrame
    """f, f′ and φ of each gate over the ratio."""
    look: Look
    gate_colours: dict[str, str]
    """Colour of each gate."""
    moe: tuple[str, ...]
    """Regimes with a mixture of experts."""


def page_figures(data: FigureData) -> dict[str, tuple]:
    """Every figure of the page by name: its function and the arguments.

    A figure that the template does not place comes after the gates, with its name as caption.
    """
    found = {
        **{f"curves_{task}": (curves_figure, own, data.look) for task, own in data.curves.groupby("task", sort=False)},
        "gates": (gates_figure, data.gates, data.gate_colours),
        "scores": (scores_figure, data.runs, data.summaries, data.look, data.moe),
    }
    if cells := cells_of_interest(data.comparisons):
        found["differences"] = (differences_figure, data.comparisons, data.look, cells)
    if len(data.learning):
        found["learning"] = (learning_figure, data.learning, data.look, data.moe)
    if len(data.routed):
        found["routing"] = (routing_figure, data.routed, data.look)
    return found


def scores_figure(runs: pd.DataFrame, summaries: pd.DataFrame, look: Look, moe: tuple[str, ...]) -> Figure:
    """Final scores: one dot per seed, with mean and interval. One row per benchmark, one column per regime."""
    trained = summaries[(summaries["metric"] == "score") & summaries["method"].isin(look.colour)]
    rows = list(trained.groupby(["task", "benchmark"], sort=False))
    regimes = list(trained["regime"].unique())
    methods = [[m for m in look.colour if m in set(cell["method"])] for _, cell in rows]
    figure, axes = plt.subplots(
        len(rows),
        len(regimes),
        figsize=(3.3 * len(regimes), sum(0.34 * len(names) + 1.1 for names in methods)),
        height_ratios=[len(names) + 2 for names in methods],
        sharey="row",
        squeeze=False,
    )
    for i, ((task, benchmark), cell) in enumerate(rows):
        own = runs[(runs["task"] == task) & (runs["benchmark"] == benchmark)]
        controls = own[~own["method"].isin(look.colour)].groupby("method", sort=False)["score"].mean()
        for axis, regime in zip(axes[i], regimes, strict=True):
            shown = cell[cell["regime"] == regime]
            if shown.empty:
                axis.set_visible(False)
                continue
            _scores_panel(
                axis, own[own["regime"] == regime], shown, _controls_like(controls, regime in moe), methods[i], look
            )
            axis.set_title(f"{_title(task, benchmark, runs)} · {regime}", fontsize=10, pad=13)  # room for the controls
            axis.set_xlabel("held-out Pass@1")
        axes[i, 0].set_yticks(range(len(methods[i])), methods[i])
        axes[i, 0].set_ylim(len(methods[i]) - 0.4, -0.8)
    return figure


def _title(task: str, benchmark: str, runs: pd.DataFrame) -> str:
    """The task, and the benchmark if the study has several."""
    return task if runs["benchmark"].nunique() == 1 else f"{task}, {benchmark}"


def _controls_like(controls: pd.Series, moe: bool) -> pd.Series:
    """The controls with experts, or those without: the kind of policy that the regime trains."""
    return controls[controls.index.str.endswith("_moe") == moe].rename(lambda name: name.removesuffix("_moe"))


def _scores_panel(
    axis: Axes, runs: pd.DataFrame, means: pd.DataFrame, controls: pd.Series, methods: list[str], look: Look
) -> None:
    # Two controls may be close, so the label of the lower one is placed to the left of its line.
    sides = [("right", -2), ("left", 2)] if len(controls) == 2 else [("center", 0)] * len(controls)
    for (name, score), (side, points) in zip(controls.sort_values().items(), sides, strict=True):
        axis.axvline(score, color=FAINT, lw=1, ls=(0, (4, 2)), zorder=0)
        label = name.replace("_", " ")
        place = {"xytext": (points, 0), "textcoords": "offset points", "ha": side, "va": "bottom"}
        axis.annotate(label, (score, -0.75), **place, fontsize=7, color=SOFT)
    for y, method in enumerate(methods):
        colour = look.colour[method]
        dots = runs[runs["method"] == method]["score"]
        axis.plot(dots, [y + 0.16] * len(dots), "o", ms=3, color=colour, alpha=0.55, mew=0)
        for _, row in means[means["method"] == method].iterrows():
            if row["low"] is not None and not np.isnan(row["low"]):
                axis.plot([row["low"], row["high"]], [y - 0.1] * 2, color=colour, lw=1.6)
            axis.plot(row["mean"], y - 0.1, look.marker[method], ms=6, color=colour, mec="white", mew=0.6)
    axis.set_xlim(0, 1)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axis.grid(axis="y", visible=False)


def curves_figure(curves: pd.DataFrame, look: Look) -> Figure:
    """Training metrics of a task: mean and range over seeds. One row per metric, one column per regime."""
    by_rollout = rollout_means(curves, [column for column, _, _ in CURVES])
    regimes = list(curves["regime"].unique())
    figure, axes = plt.subplots(
        len(CURVES), len(regimes), figsize=(3.3 * len(regimes), 1.75 * len(CURVES)), sharex="col", squeeze=False
    )
    for i, (column, label, scale) in enumerate(CURVES):
        for j, regime in enumerate(regimes):
            axis = axes[i, j]
            for method, colour in look.colour.items():
                runs = by_rollout[(by_rollout["regime"] == regime) & (by_rollout["method"] == method)]
                if runs.empty:
                    continue
                seeds = runs.pivot(index="rollout", columns="seed", values=column)
                _band(axis, seeds, colour, label=method)
            # A logarithmic scale needs a value above 0. In an on-policy regime KL and the spread of log r are 0.
            moved = (by_rollout.loc[by_rollout["regime"] == regime, column] > 0).any()
            axis.set_yscale(scale if moved else "linear")
            if scale == "log" and moved:  # label ticks between powers of ten too
                axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
            if i == 0:
                axis.set_title(regime, fontsize=10)
            if j == 0:
                axis.set_ylabel(label, fontsize=8)
            axis.tick_params(labelsize=7, which="both")
        limits = [axis.get_ylim() for axis in axes[i]]
        for axis in axes[i]:
            if scale == "linear":
                axis.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    for axis in axes[-1]:
        axis.set_xlabel("rollout")
    _legend(figure, axes.flat, look)
    return figure


def routing_figure(curves: pd.DataFrame, look: Look) -> Figure:
    """Share of experts that change: mean over seeds, with their range as a band. One row per task × regime."""
    by_rollout = curves.groupby(["task", "regime", "method", "seed", "rollout"], sort=False)[
        [column for column, _ in ROUTING]
    ].mean()
    cells = list(by_rollout.reset_index().groupby(["task", "regime"], sort=False))
    figure, axes = plt.subplots(len(cells), len(ROUTING), figsize=(3.3 * len(ROUTING), 2.4 * len(cells)), squeeze=False)
    for i, ((task, regime), cell) in enumerate(cells):
        for axis, (column, label) in zip(axes[i], ROUTING, strict=True):
            for method, colour in look.colour.items():
                runs = cell[cell["method"] == method]
                if runs.empty:
                    continue
                seeds = 100 * runs.pivot(index="rollout", columns="seed", values=column)
                _band(axis, seeds, colour, label=method)
            axis.set_title(f"{task} · {regime}: {label}", fontsize=10)
            axis.set_ylim(0, None)
            axis.set_xlabel("rollout")
        axes[i, 0].set_ylabel("% of the experts chosen")
    _legend(figure, axes.flat, look)
    return figure


def _band(axis: Axes, seeds: pd.DataFrame, colour: str, **line) -> None:
    """Mean over seeds as a line, their range as a band. `seeds`: one column per seed."""
    axis.fill_between(seeds.index, seeds.min(axis=1), seeds.max(axis=1), color=colour, alpha=0.10, lw=0)
    axis.plot(seeds.index, seeds.mean(axis=1), color=colour, lw=1.3, **line)


def _legend(figure: Figure, axes: Iterable[Axes], look: Look) -> None:
    """Put a legend above a figure, with each method that any of these panels shows."""
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    labels = [method for method in look.colour if method in entries]
    handles = [entries[label] for label in labels]
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncol=max(1, min(len(labels), int(figure.get_figwidth() / 1.05))),
        frameon=False,
        fontsize=8,
    )


def gates_figure(gates: pd.DataFrame, colours: dict[str, str]) -> Figure:
    """f, f′ and φ = r·f′ of every gate: smooth gates for each τ, gates that depend on the sign of Â for each sign."""
    by_sign = gates.pivot(index=["gate", "scale", "ratio"], columns="positive", values="weight")
    signed = set(by_sign[by_sign[True] != by_sign[False]].index.get_level_values("gate"))
    smooth = gates[(gates["parameter"] == "tau") & ~gates["gate"].isin(signed)]
    other = gates[~gates["gate"].isin(smooth["gate"])]
    other = other[other["scale"] == other.groupby("gate")["scale"].transform("max")]
    panels = [
        (f"τ = {tau:g}", rows[rows["positive"] & (rows["ratio"] <= 2.5)]) for tau, rows in smooth.groupby("scale")
    ]
    panels += [(f"by sign: Â {sign} 0", other[other["positive"] == (sign == ">")]) for sign in (">", "≤")]
    names = [*smooth["gate"].unique(), *other["gate"].unique()]

    figure, axes = plt.subplots(3, len(panels), figsize=(2.25 * len(panels), 5.8), sharex="col", squeeze=False)
    for j, (title, rows) in enumerate(panels):
        for name, curve in rows.groupby("gate", sort=False):
            at_one = curve.loc[(curve["ratio"] - 1).abs().idxmin(), "f"]
            # f is shifted to f(1) = 1: the sigmoid gate has another constant there, which does not affect the gradient.
            for axis, y in zip(axes[:, j], (curve["f"] - at_one + 1, curve["weight"], curve["phi"]), strict=True):
                axis.plot(
                    curve["ratio"],
                    y,
                    color=colours[name],
                    lw=1.4,
                    ls=DASHES[names.index(name) % len(DASHES)],
                    label=name,
                )
                axis.tick_params(labelsize=7)
        for axis in axes[:, j]:
            axis.axvline(1, color=FAINT, lw=0.7)
        axes[0, j].set_title(title, fontsize=9)
        axes[1, j].set_ylim(-0.05, 1.1)
        axes[2, j].set_ylim(-0.05, 2.0)
        axes[2, j].set_xlabel("ratio r")
    for axis in axes[0, -2:]:
        axis.set_ylim(-1, 3.6)  # without a gate f goes up to 3.5; that of some gates falls without bound
    for axis, label in zip(axes[:, 0], ("f(r), shifted to f(1) = 1", "weight f′(r)", "φ(r) = r·f′(r)"), strict=True):
        axis.set_ylabel(label, fontsize=8)
    entries = {}
    for axis in (axes[0, 0], axes[0, -1]):
        entries |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(entries.values(), entries, loc="outside upper center", ncol=7, frameon=False, fontsize=8)
    return figure


def learning_figure(learning: pd.DataFrame, look: Look, moe: tuple[str, ...]) -> Figure:
    """Held-out score of the kept checkpoints, from the warm start. One row per benchmark, one column per regime."""
    trained = learning[learning["regime"] != CONTROL]
    rows, regimes = list(trained.groupby(["task", "benchmark"], sort=False)), list(trained["regime"].unique())
    figure, axes = plt.subplots(
        len(rows), len(regimes), figsize=(3.3 * len(regimes), 2.4 * len(rows)), sharey=True, squeeze=False
    )
    for i, ((task, benchmark), cell) in enumerate(rows):
        own = learning[(learning["task"] == task) & (learning["benchmark"] == benchmark)]
        for axis, regime in zip(axes[i], regimes, strict=True):
            shown = cell[cell["regime"] == regime]
            if shown.empty:
                axis.set_visible(False)
                continue
            start = own[own["method"] == (WARM_START_MOE if regime in moe else WARM_START)]
            for method, colour in look.colour.items():
                points = shown[shown["method"] == method]
                if points.empty:
                    continue
                seeds = pd.concat([start, points]).pivot(index="rollouts", columns="seed", values="score")
                _band(axis, seeds, colour, marker=look.marker[method], ms=3.5, label=method)
            axis.set_title(f"{_title(task, benchmark, learning)} · {regime}", fontsize=10)
            axis.set_ylim(0, 1)
        axes[i, 0].set_ylabel("Pass@1")
    for axis in axes[-1]:
        axis.set_xlabel("rollouts trained on")
    _legend(figure, axes.flat, look)
    return figure
