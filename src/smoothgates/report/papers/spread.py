"""Figures of how far the tokens of a sequence spread: log r, its variance Var_i in a sequence, and the gap D_i."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothgates.report.papers.figure import Cell, Drawn, Head, NotDrawn, PaperData, caption
from smoothgates.report.style import FAINT, Look

EDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Of the logged bins of log r above 0, as in objective/diagnostics.py, which needs torch. Those below 0 mirror them."""
BINS = [f"log_ratio_bin{i}" for i in range(2 * len(EDGES) + 1)]
SEQUENCES = ["sequence_variance", "sequence_gap"]
SMALL = 0.02
"""The bound on Var_i that 2511.20347 reports for most sequences."""


@dataclass(frozen=True)
class Spread:
    """A figure of the papers of the spread of log r in one method's runs."""

    head: Head
    method: str
    experts: bool
    """Of policies with experts, or of those without."""
    tasks: tuple[str, ...] = ("math",)
    most: int = 3
    """Regimes of a task at most."""


def spread(wanted: Spread, data: PaperData) -> Drawn | NotDrawn:
    """The figure: a row for each regime, from the updates of all seeds."""
    if missing := [column for column in (BINS[0], *SEQUENCES) if column not in data.curves]:
        return NotDrawn(wanted.head, f"the metrics {', '.join(missing)}, which these runs do not log")
    own = data.curves[data.curves["method"] == wanted.method].dropna(subset=SEQUENCES)
    cells: dict[Cell, pd.DataFrame] = {}
    for task in wanted.tasks:
        blocks = own[own["task"] == task].groupby("regime", sort=False)
        kept = {(task, str(regime)): block for regime, block in blocks if has_experts(block) == wanted.experts}
        cells |= dict(list(kept.items())[: wanted.most])
    if not cells:
        kind = "with experts" if wanted.experts else "without experts"
        return NotDrawn(wanted.head, f"runs of {wanted.method} on {' or '.join(wanted.tasks)} of a policy {kind}")
    table = pd.concat([part for cell, block in cells.items() for part in (bins(cell, block), updates(cell, block))])
    tau = max(data.methods[wanted.method].scales())
    words = (
        f"Updates of {wanted.method}. Left: share of tokens by log r, mean over updates. Middle: updates by their mean "
        f"Var_i, the variance of log r in a sequence; dashed: {SMALL:g}. Right: the mean gap D_i of an update over its "
        f"mean Var_i, with the line D = (τ²/4)·Var at τ = {tau:g}. Updates on which no ratio has moved are left out of "
        f"both. A dot is an update, not a sequence as in the paper."
    )
    drawn = caption(wanted.head, words, {cell: [wanted.method] for cell in cells}, set(), data)
    return Drawn(wanted.head, drawn, table, (spread_figure, table, data.look, wanted.method, tau))


def has_experts(block: pd.DataFrame) -> bool:
    return "routing_churn" in block and bool(block["routing_churn"].notna().any())


def bins(cell: Cell, block: pd.DataFrame) -> pd.DataFrame:
    """Mean share of the tokens in each bin of log r; the outermost bins are open."""
    edges = np.array([-np.inf, *(-edge for edge in reversed(EDGES)), *EDGES, np.inf])
    shares = block[BINS].mean().to_numpy()
    return pd.DataFrame(
        {"task": cell[0], "regime": cell[1], "part": "log r", "low": edges[:-1], "high": edges[1:], "share": shares}
    )


def updates(cell: Cell, block: pd.DataFrame) -> pd.DataFrame:
    """Var_i and D_i of each update."""
    return block[["seed", "update", *SEQUENCES]].assign(task=cell[0], regime=cell[1], part="update")


def spread_figure(table: pd.DataFrame, look: Look, method: str, tau: float) -> Figure:
    """A row for each cell: log r, Var_i, and D_i over Var_i."""
    cells = list(dict.fromkeys(zip(table["task"], table["regime"], strict=True)))
    figure, axes = plt.subplots(len(cells), 3, figsize=(10, 2.5 * len(cells) + 0.4), sharex="col", squeeze=False)
    colour, marker = look.colour[method], look.marker[method]
    for (task, regime), (left, middle, right) in zip(cells, axes, strict=True):
        here = table[(table["task"] == task) & (table["regime"] == regime)]
        histogram = here[here["part"] == "log r"]
        left.bar(range(len(histogram)), histogram["share"], width=1, color=colour, alpha=0.8, ec="white", label=method)
        label_bins(left, histogram)
        moved = here[here["sequence_variance"] > 0]
        variance, gap = moved["sequence_variance"], moved["sequence_gap"]
        if len(moved):
            around = np.geomspace(variance.min() / 1.1, variance.max() * 1.1, 25)
            middle.hist(variance, bins=list(around), color=colour, alpha=0.8, ec="white")
            right.plot(around, tau**2 / 4 * around, color=FAINT, lw=1.2, ls=(0, (5, 1.5)), label="(τ²/4)·Var")
            right.plot(variance, gap, ls="", marker=marker, ms=2.5, color=colour, alpha=0.5, mew=0, label=method)
            right.set_xscale("log")
            right.set_yscale("log")
            middle.set_xscale("log")
        middle.axvline(SMALL, color=FAINT, lw=1.2, ls=(0, (2, 2)))
        for axis, y in ((left, "share of tokens"), (middle, "updates"), (right, "D_i, mean of an update")):
            axis.set_title(f"{task} · {regime}", fontsize=9)
            axis.set_ylabel(y, fontsize=8)
            axis.tick_params(labelsize=7, which="both")
    for axis, x in zip(axes[-1], ("log r", "Var_i, mean of an update", "Var_i, mean of an update"), strict=True):
        axis.set_xlabel(x)
    entries = dict(zip(*reversed(axes[0, 2].get_legend_handles_labels()), strict=True))
    figure.legend(entries.values(), entries, loc="outside upper center", ncol=4, frameon=False, fontsize=8)
    return figure


def label_bins(axis: Axes, histogram: pd.DataFrame) -> None:
    """Ticks between bins, which are drawn equally wide: at powers of ten, as far as there is room."""
    edges = histogram["high"].tolist()
    shown = [i for i, edge in enumerate(edges) if abs(edge) in (0.01, 0.1, 1)]
    axis.set_xticks([i + 0.5 for i in shown], [f"{edges[i]:g}" for i in shown])
