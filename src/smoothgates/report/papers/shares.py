"""Figures of one number a run: its mean over seeds, its range and every seed, for each method."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from smoothgates.analysis.collect import KEYS
from smoothgates.report.papers.figure import Cell, Drawn, Head, NotDrawn, PaperData, caption, cells_with, wanting
from smoothgates.report.style import Look


@dataclass(frozen=True)
class Shares:
    """A figure of the papers that compares a share of tokens between methods."""

    head: Head
    methods: tuple[str, ...]
    one_of: tuple[str, ...]
    column: str
    """The metric that is averaged over the updates of a run."""
    shows: str
    label: str
    tasks: tuple[str, ...] = ("math",)
    most: int = 3


def shares(wanted: Shares, data: PaperData) -> Drawn | NotDrawn:
    """The figure, drawn in the regimes that have the most of its methods."""
    cells = cells_with(wanted.methods, wanted.one_of, wanted.tasks, wanted.most, data.runs)
    if not cells:
        return NotDrawn(wanted.head, wanting(wanted.methods, wanted.one_of, wanted.tasks))
    by_seed = data.curves.groupby(KEYS, sort=False)[wanted.column].mean().dropna().rename("share").reset_index()
    kept = [
        row.method in cells.get((str(row.task), str(row.regime)), ()) for row in by_seed[KEYS].itertuples(index=False)
    ]
    table = by_seed[kept].reset_index(drop=True)
    words = f"{wanted.shows} Large marker and bar: mean and range over seeds; small dots: seeds."
    absent = set(wanted.methods).difference(*cells.values())
    return Drawn(
        wanted.head, caption(wanted.head, words, cells, absent, data), table,
        (shares_figure, table, list(cells), data.look, wanted.label),
    )  # fmt: skip


def shares_figure(table: pd.DataFrame, cells: list[Cell], look: Look, words: str) -> Figure:
    """One panel per cell, one row per method. The axis is logarithmic where no share is 0."""
    methods = [method for method in look.colour if method in set(table["method"])]
    size = (3.3 * len(cells) + 0.6, 0.36 * len(methods) + 1.4)
    figure, axes = plt.subplots(1, len(cells), figsize=size, sharey=True, sharex=True, squeeze=False)
    for (task, regime), axis in zip(cells, axes[0], strict=True):
        here = table[(table["task"] == task) & (table["regime"] == regime)]
        for y, method in enumerate(methods):
            own = here.loc[here["method"] == method, "share"]
            if len(own):
                colour = look.colour[method]
                axis.plot([own.min(), own.max()], [y, y], color=colour, lw=2.5, alpha=0.5, solid_capstyle="butt")
                axis.plot(own, [y + 0.2] * len(own), "o", ms=3, color=colour, alpha=0.6, mew=0)
                axis.plot(own.mean(), y, look.marker[method], ms=7, color=colour, mec="white", mew=0.6, label=method)
        axis.set_title(f"{task} · {regime}", fontsize=9)
        axis.set_xlabel(words, fontsize=8)
        axis.tick_params(labelsize=8)
    if (table["share"] > 0).all():
        axes[0, 0].set_xscale("log")
        axes[0, 0].xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes[0, 0].xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes[0, 0].xaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_yticks(range(len(methods)), methods)
    axes[0, 0].set_ylim(len(methods) - 0.4, -0.6)
    entries = {
        label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    shown = [method for method in methods if method in entries]
    figure.legend([entries[m] for m in shown], shown, loc="outside upper center", ncol=4, frameon=False, fontsize=8)
    return figure
