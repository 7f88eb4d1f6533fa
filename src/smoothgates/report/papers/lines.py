"""Figures with a line for each method over training: the mean over seeds, with their range as a band."""

import math
from dataclasses import dataclass
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from smoothgates.report.papers.figure import Cell, Drawn, Head, NotDrawn, PaperData, caption, cells_with, label, wanting
from smoothgates.report.style import DASHES, Look

MOST_POINTS = 200
"""A longer curve is averaged over windows of steps, so that lines stay apart and files small."""


@dataclass(frozen=True)
class Quantity:
    """What a panel draws over training."""

    label: str
    shows: str
    """What is drawn, for the caption."""
    x: str = "rollout"
    """Column of the steps: updates of a rollout are averaged if this is `rollout`."""
    scale: str = "linear"


SCORE = "score"
QUANTITIES = {
    "reward": Quantity("mean training reward", "Mean reward of the newest rollout."),
    "policy_entropy": Quantity("entropy, nats per token", "Entropy of the policy, mean over the updates of a rollout."),
    "eur_by_prompt": Quantity("EUR: mean f′", "EUR as in eq 12, mean over the updates of a rollout."),
    "eur": Quantity(
        "EUR: mean f′", "EUR over all tokens of an update (eq 12 takes the mean within each prompt first)."
    ),
    "grad_norm": Quantity(
        "gradient norm",
        "Norm of each update's gradient before it is clipped. A mean over seeds is smoother than any run: the claim on "
        "smoothness is tested on single runs.",
        x="update",
        scale="log",
    ),
    SCORE: Quantity("Pass@1", "Pass@1 of the checkpoints on held-out problems; 0 is the warm start."),
}
"""By column of the metrics; `score` is that of the checkpoints, on every benchmark that has them."""


@dataclass(frozen=True)
class Lines:
    """A figure of the papers with a line for each method."""

    head: Head
    methods: tuple[str, ...]
    one_of: tuple[str, ...]
    """Without one of these methods, the figure has no point."""
    quantities: tuple[str, ...]
    tasks: tuple[str, ...] = ("math",)
    most: int = 3
    """Regimes of a task at most."""
    remark: str = ""
    """For the caption."""


def lines(wanted: Lines, data: PaperData) -> Drawn | NotDrawn:
    """The figure, drawn in the regimes that have the most of its methods."""
    cells = cells_with(wanted.methods, wanted.one_of, wanted.tasks, wanted.most, data.runs)
    if not cells:
        return NotDrawn(wanted.head, wanting(wanted.methods, wanted.one_of, wanted.tasks))
    quantities = [
        next(name for name in (f"{q}_by_prompt", q) if name in {SCORE, *data.curves}) for q in wanted.quantities
    ]
    parts = [
        rows
        for quantity in quantities
        for at in cells.items()
        for rows in (scores(*at, data) if quantity == SCORE else metric(quantity, *at, data))
    ]
    table = pd.concat(parts, ignore_index=True)
    words = " ".join(QUANTITIES[quantity].shows for quantity in quantities)
    words += f"{wanted.remark} Line: mean over seeds; band: their range."
    labels = {name: label(name, data.methods[name]) for name in table["method"].unique()}
    absent = set(wanted.methods).difference(*cells.values())
    return Drawn(
        wanted.head, caption(wanted.head, words, cells, absent, data), table, (lines_figure, table, data.look, labels)
    )


def metric(column: str, cell: Cell, methods: list[str], data: PaperData) -> list[pd.DataFrame]:
    """A metric of training, see `over_seeds`."""
    found = []
    for method in methods:
        own = data.updates.get((*cell, method), data.curves.iloc[:0])
        values = own[column].where(np.isfinite(own[column]))
        rows = pd.DataFrame({"seed": own["seed"], "x": own[QUANTITIES[column].x], "value": values})
        found.append(over_seeds(rows, cell, method, column))
    return found


def scores(cell: Cell, methods: list[str], data: PaperData) -> list[pd.DataFrame]:
    """The scores of the checkpoints on each benchmark, from the warm start on, see `over_seeds`."""
    task, regime = cell
    own = data.learning[data.learning["task"] == task] if len(data.learning) else data.learning
    found = []
    for benchmark, block in own.groupby("benchmark", sort=False) if len(own) else ():
        block = block.assign(x=block["rollouts"], value=block["score"])
        start = block[block["method"] == data.starts.get(cell)]
        for method in methods:
            rows = pd.concat([start, block[(block["regime"] == regime) & (block["method"] == method)]])
            found.append(over_seeds(rows, cell, method, f"{SCORE}: {benchmark}"))
    return found


def over_seeds(rows: pd.DataFrame, cell: Cell, method: str, quantity: str) -> pd.DataFrame:
    """Mean and range over seeds at each step. `rows`: `seed`, the step `x`, and `value`, NaN where there is none."""
    rows = rows.dropna(subset=["value"])
    window = max(1, math.ceil(rows["x"].nunique() / MOST_POINTS))
    rows = rows.assign(x=np.ceil(rows["x"] / window) * window)
    by_seed = rows.groupby(["seed", "x"])["value"].mean()
    found = by_seed.groupby("x").agg(["mean", "min", "max", "size"]).reset_index()
    found.columns = pd.Index(["x", "mean", "low", "high", "seeds"])
    keys = {"task": cell[0], "regime": cell[1], "quantity": quantity, "method": method}
    return pd.concat([pd.DataFrame([keys] * len(found), columns=list(keys)), found], axis=1)


def lines_figure(table: pd.DataFrame, look: Look, labels: dict[str, str]) -> Figure:
    """One panel per cell and quantity: a row of cells, or, with several quantities, a row for each cell."""
    cells = list(dict.fromkeys(zip(table["task"], table["regime"], strict=True)))
    quantities = list(table["quantity"].unique())
    methods = [method for method in look.colour if method in labels]
    rows, columns = (1, len(cells)) if len(quantities) == 1 else (len(cells), len(quantities))
    # Panels of one quantity share its axis, but not those of several tasks, nor those of a row of quantities.
    alone = len(quantities) == len({task for task, _ in cells}) == 1
    shared: Literal["col", "all", "none"] = "col" if rows > 1 else "all" if alone else "none"
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.3 * columns + 0.3, 2.3 * rows + 0.5), sharey=shared, squeeze=False
    )
    for i, ((task, regime), quantity) in enumerate((cell, quantity) for cell in cells for quantity in quantities):
        axis = axes.flat[i]
        known = QUANTITIES[quantity.partition(":")[0]]
        here = table[(table["task"] == task) & (table["regime"] == regime) & (table["quantity"] == quantity)]
        for j, method in enumerate(methods):
            own = here[here["method"] == method]
            colour = look.colour[method]
            axis.fill_between(own["x"], own["low"], own["high"], color=colour, alpha=0.12, lw=0)
            marked = {"marker": look.marker[method], "ms": 4} if quantity.startswith(SCORE) else {}
            axis.plot(
                own["x"], own["mean"], color=colour, lw=1.4, ls=DASHES[j % len(DASHES)], label=labels[method], **marked
            )
        if known.scale == "log" and (here["mean"] > 0).any():
            axis.set_yscale("log")
            low, high = axis.get_ylim()
            if high > 10 * low:
                axis.minorticks_off()  # powers of ten are enough, and drawing the others takes time
            else:
                axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
        benchmark = quantity.partition(": ")[2]
        axis.set_title(f"{task} · {regime}{benchmark and f', {benchmark}'}", fontsize=9)
        axis.set_ylabel(known.label, fontsize=8)
        axis.set_xlabel(known.x)
        axis.tick_params(labelsize=7, which="both")
    handles, shown = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, shown, loc="outside upper center", ncol=min(len(shown), 5), frameon=False, fontsize=8)
    return figure
