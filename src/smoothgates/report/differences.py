"""The figure beside the answer: how each method's score differs from the reference's, in one regime of each task."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothgates.analysis.collect import CELL
from smoothgates.report.style import FAINT, INK, PAPER, Look


def differences_figure(comparisons: pd.DataFrame, look: Look, cells: list[tuple[str, str, str]]) -> Figure:
    """Paired differences in points: one dot per seed, mean and interval. One panel for each of these cells."""
    scores = comparisons[comparisons["metric"] == "score"].set_index(CELL).sort_index()
    shown = [scores.loc[[cell]] for cell in cells]
    rows = [len(own) for own in shown]
    figure, axes = plt.subplots(
        len(cells), 1, figsize=(5.2, 0.24 * sum(rows) + 0.55 * len(cells) + 0.4), height_ratios=rows, squeeze=False,
        sharex=True,
    )  # fmt: skip
    several = len({benchmark for _, benchmark, _ in cells}) > 1
    for axis, (task, benchmark, regime), own in zip(axes[:, 0], cells, shown, strict=True):
        _panel(axis, own, look)
        axis.set_title(" · ".join([task, *([benchmark] if several else []), regime]), fontsize=9, loc="left", pad=3)
    reference = next(iter(look.colour))
    axes[-1, 0].set_xlabel(f"difference from {reference} in held-out Pass@1, points", fontsize=8)
    return figure


def _panel(axis: Axes, own: pd.DataFrame, look: Look) -> None:
    order = [method for method in look.colour if method in set(own["method"])]
    axis.axvline(0, color=INK, lw=0.9, zorder=0)
    for y, method in enumerate(order):
        row, colour = own[own["method"] == method].iloc[0], look.colour[method]
        axis.plot([100 * value for value in row["by_seed"]], [y + 0.22] * len(row["by_seed"]), "o", ms=3, color=colour,
                  alpha=0.6, mew=0)  # fmt: skip
        if not pd.isna(row["low"]):
            axis.plot([100 * row["low"], 100 * row["high"]], [y - 0.1] * 2, color=colour, lw=1.8)
        filled = colour if row["established"] else PAPER
        axis.plot(100 * row["difference"], y - 0.1, look.marker[method], ms=6, mfc=filled, mec=colour, mew=1.3)
    axis.set_yticks(range(len(order)), order, fontsize=8)
    axis.set_ylim(len(order) - 0.4, -0.6)
    axis.tick_params(axis="x", labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", color=FAINT, lw=0.3)
