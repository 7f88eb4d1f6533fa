"""The figures of the questions beyond the papers, and what they draw as numbers."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from smoothgates.report.question_words import Question, metric_of, name_of, naming
from smoothgates.report.style import FAINT, INK, PAPER, SOFT, Look

SURE = ("above", "below")
"""Verdicts of differences that are established."""
COLUMNS = 3
"""Panels in a row of a dial's figure."""


def figures_of(answers: dict[str, Any], look: Look) -> dict[str, tuple]:
    """The figure of each answer by its name: the function that draws it and the arguments."""
    return {name_of(question): figure_of(question, look) for question in answers["answered"]}


def numbers_of(answers: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """What each of these figures draws, by the same names."""
    return {name_of(question): numbers(question) for question in answers["answered"]}


def figure_of(question: Question, look: Look) -> tuple:
    """The function that draws a question's figure, and its arguments."""
    if question["dial"]:
        return (dial_figure, question, look)
    return (spread_figure if question["compares"] == "variances" else forest_figure, question, look)


def numbers(question: Question) -> pd.DataFrame:
    """What the figure draws: arms and their seeds on a dial and for variances, otherwise comparisons."""
    return arms_table(question) if question["dial"] else comparisons_table(question)


def comparisons_table(question: Question) -> pd.DataFrame:
    """One row per comparison: its sides, its verdict with all numbers, and the effect for each seed."""
    rows = []
    for group in question["groups"]:
        for row in group["comparisons"]:
            sides = {side: "/".join(row[side].values()) for side in ("one", "other")}
            found = {"question": question["id"], **sides, "metric": group["metric"], "unit": group["unit"]}
            keys = ("verdict", "effect", "low", "high", "n", "p", "smallest_p", "bound", "detectable", "needs", "scale")
            found |= {key: row.get(key) for key in keys}
            found |= {f"seed{s}": e for s, e in zip(row.get("seeds", []), row.get("effects", []), strict=False)}
            rows.append(found)
    return pd.DataFrame(rows)


def arms_table(question: Question) -> pd.DataFrame:
    """One row per arm and metric: mean with interval, median, collapses, and the number of each seed."""
    values = question["dial"]["values"] if question["dial"] else {}
    rows = []
    for arm in question["arms"]:
        own = {key: value for key, value in arm.items() if key != "by_seed"}
        dial = {"value": values[arm["regime"]]} if values else {}
        rows.append({"question": question["id"], **own, **dial, **{f"seed{s}": v for s, v in arm["by_seed"].items()}})
    return pd.DataFrame(rows)


def forest_figure(question: Question, look: Look) -> Figure:
    """Paired differences: mean, interval and every seed; one panel per group, rows by domain."""
    groups = question["groups"]
    heights = [len(group["comparisons"]) + 1.6 for group in groups]
    size = (6.6, 0.21 * sum(heights) + 0.8)
    figure, axes = plt.subplots(len(groups), 1, figsize=size, height_ratios=heights, squeeze=False)
    name = naming(question)
    fallen = {tuple(arm[key] for key in ("task", "regime", "method")): arm for arm in question["arms"]}
    for group, axis in zip(groups, axes[:, 0], strict=True):
        rows, labels = group["comparisons"], []
        for y, row in enumerate(rows):
            colour = look.colour.get(row["one"]["method"], INK)
            labels.append(name(row) + _fallen_of(row, fallen))
            if row["verdict"] == "not run":
                axis.annotate("not compared", (0, y), fontsize=7, color=SOFT, va="center", ha="center")
                continue
            shown = group["shown"]
            dots = [shown * effect for effect in row["effects"]]
            axis.plot(dots, [y] * len(dots), "o", ms=3, color=colour, alpha=0.35, mew=0)
            if row["low"] is not None:
                axis.plot([shown * row["low"], shown * row["high"]], [y, y], color=colour, lw=1.8)
            face = colour if row["verdict"] in SURE else PAPER
            axis.plot(shown * row["effect"], y, "D", ms=5.5, mfc=face, mec=colour, mew=1.3)
            if y and row["one"]["task"] != rows[y - 1]["one"]["task"]:
                axis.axhline(y - 0.5, color=FAINT, lw=0.7, ls=(0, (1, 2)))
        margin = group["margin"] * group["shown"]
        axis.axvspan(-margin, margin, color=FAINT, alpha=0.15, lw=0, zorder=0)
        axis.axvline(0, color=FAINT, lw=1, zorder=0)
        axis.set_yticks(range(len(rows)), labels, fontsize=7)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(f"{group['one']} − {group['other']}", fontsize=8, loc="right", wrap=True)
        axis.set_xlabel(f"{metric_of(group)}, {group['unit']}", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(axis="y", visible=False)
    _key(figure, [_sure(True), _sure(False), _seed(), Patch(color=FAINT, alpha=0.3, lw=0, label="too small to matter")])
    return figure


def _fallen_of(row: dict[str, Any], arms: dict[tuple, dict[str, Any]]) -> str:
    """How many runs of the two sides have collapsed, if any has: ` [3/10, 0/10]`."""
    both = [arms[tuple(row[side][key] for key in ("task", "regime", "method"))] for side in ("one", "other")]
    if not any(arm["collapsed"] for arm in both):
        return ""
    return " [" + ", ".join(f"{arm['collapsed']}/{arm['of']}" for arm in both) + "]"


def dial_figure(question: Question, look: Look) -> Figure:
    """What each method reaches at each step of the dial: mean, interval and every seed. One panel per method."""
    dial, arms = question["dial"], question["arms"]
    present = {arm["regime"] for arm in arms}
    steps = sorted(present, key=lambda regime: dial["values"][regime])
    methods = [method for method in look.colour if method in {arm["method"] for arm in arms}]
    metrics = {group["metric"]: group for group in question["groups"]}
    lines = -(-len(methods) // COLUMNS)
    size = (2.25 * COLUMNS, 1.75 * lines * len(metrics) + 0.9)
    figure, axes = plt.subplots(lines * len(metrics), COLUMNS, figsize=size, squeeze=False)
    for i, (metric, group) in enumerate(metrics.items()):
        panels = axes[i * lines : (i + 1) * lines].ravel()
        own = {(arm["method"], arm["regime"]): arm for arm in arms if arm["metric"] == metric and arm["n"]}
        there = [method for method in methods if any(name == method for name, _ in own)]
        for method, axis in zip(there, panels, strict=False):
            _dial_panel(axis, [own.get((method, step)) for step in steps], group["shown"], look.colour[method])
            axis.set_title(method, fontsize=8)
            axis.set_xticks(range(len(steps)), [f"{dial['values'][step]:g}" for step in steps])
            axis.tick_params(labelsize=7)
        shown, hidden = panels[: len(there)], panels[len(there) :]
        fallen = any(arm["collapsed"] for arm in own.values())
        ends = [end for axis in shown for end in axis.get_ylim()] or [0.0, 1.0]
        low, high = min(ends), max(ends)
        for axis in shown:  # their counts are below the points
            axis.set_ylim(low - (0.15 * (high - low) if fallen else 0), high + 0.03 * (high - low))
        for axis in hidden:
            axis.set_visible(False)
        for axis in panels[::COLUMNS]:
            axis.set_ylabel(f"{metric_of(group)}, {group['unit']}", fontsize=8)
    figure.supxlabel(dial["label"], fontsize=8)
    _key(figure, [_mean(), _seed(), Line2D([], [], ls="", marker="$k/n$", color=SOFT, ms=15, label="collapsed runs")])
    return figure


def _dial_panel(axis: Axes, arms: list[dict[str, Any] | None], shown: float, colour: str) -> None:
    there = [(x, arm) for x, arm in enumerate(arms) if arm]
    axis.plot([x for x, _ in there], [shown * arm["mean"] for _, arm in there], color=colour, lw=1.3)
    for x, arm in there:
        seeds = [shown * value for value in arm["by_seed"].values()]
        places = [x + 0.25 * ((i % 5) / 4 - 0.5) for i in range(len(seeds))]
        axis.plot(places, seeds, "o", ms=2.6, color=colour, alpha=0.35, mew=0)
        if arm["low"] is not None:
            axis.plot([x, x], [shown * arm["low"], shown * arm["high"]], color=colour, lw=1.8)
        axis.plot(x, shown * arm["mean"], "D", ms=5, mfc=colour, mec=PAPER, mew=0.6)
        if arm["collapsed"]:
            text = f"{arm['collapsed']}/{arm['of']}"
            axis.annotate(text, (x, 0.03), xycoords=("data", "axes fraction"), fontsize=7, color=SOFT, ha="center")
    axis.set_xlim(-0.4, len(arms) - 0.6)
    axis.grid(axis="x", visible=False)


def spread_figure(question: Question, look: Look) -> Figure:
    """Left: the runs of both sides. Right: the variance of one as a share of the other's, with its interval."""
    rows = [(group, row) for group in question["groups"] for row in group["comparisons"]]
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.6, 0.55 * len(rows) + 1.3), width_ratios=[2.2, 1])
    arms = {tuple(arm[key] for key in ("task", "regime", "method")): arm for arm in question["arms"]}
    labels = []
    for i, (group, row) in enumerate(rows):
        colour = look.colour.get(row["one"]["method"], INK)
        for j, side in enumerate(("one", "other")):
            arm, y = arms[tuple(row[side][key] for key in ("task", "regime", "method"))], 2 * i + j
            labels.append(f"{arm['method']} {arm['regime']}" + _count(arm))
            dots = [group["shown"] * value for value in arm["by_seed"].values()]
            left.plot(dots, [y] * len(dots), "o", ms=4, color=colour, alpha=0.45, mew=0)
            if arm["median"] is not None:
                left.plot(group["shown"] * arm["median"], y, "|", ms=11, color=colour, mew=1.6)
        if row["verdict"] != "not run":
            right.plot([100 * row["low"], 100 * row["high"]], [2 * i + 0.5] * 2, color=colour, lw=1.8)
            face = colour if row["verdict"] in SURE else PAPER
            right.plot(100 * row["effect"], 2 * i + 0.5, "D", ms=5.5, mfc=face, mec=colour, mew=1.3)
    left.set_yticks(range(len(labels)), labels, fontsize=7)
    right.set_yticks([])
    for axis in (left, right):
        axis.set_ylim(len(labels) - 0.4, -0.6)
        axis.tick_params(labelsize=7)
        axis.grid(axis="y", visible=False)
    left.set_xlabel(f"{metric_of(rows[0][0])}, {rows[0][0]['unit']}", fontsize=8)
    right.set_xscale("log")
    right.axvline(100, color=FAINT, lw=1, zorder=0)
    right.xaxis.set_major_formatter("{x:g}")
    right.set_xlabel("variance, % of the other's", fontsize=8)
    median = Line2D([], [], ls="", marker="|", ms=9, mew=1.6, color=SOFT, label="median")
    _key(figure, [_seed(), median, _sure(True), _sure(False)])
    return figure


def _count(arm: dict[str, Any]) -> str:
    return f" [{arm['collapsed']}/{arm['of']}]" if arm["collapsed"] else ""


def _sure(established: bool) -> Line2D:
    words = "established" if established else "not established"
    return Line2D([], [], color=SOFT, marker="D", ms=5, mfc=SOFT if established else PAPER, mec=SOFT, label=words)


def _mean() -> Line2D:
    return Line2D([], [], color=SOFT, marker="D", ms=5, label="mean and interval over seeds")


def _seed() -> Line2D:
    return Line2D([], [], ls="", marker="o", ms=3.5, color=SOFT, alpha=0.5, mew=0, label="one seed")


def _key(figure: Figure, handles: list[Line2D | Patch]) -> None:
    figure.legend(handles=handles, loc="outside upper center", ncol=len(handles), frameon=False, fontsize=7.5)
