"""Figures of gates as functions of the ratio: f above, its weight f′ below."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from smoothgates.report.papers.figure import Drawn, Head, NotDrawn, PaperData
from smoothgates.report.style import DASHES, FAINT, INK, shades

FARTHEST = 2.5
"""The largest ratio that is drawn."""
CLIPS = "clip"
COLUMNS = ["gate", "scale", "positive", "ratio", "f", "weight"]


@dataclass(frozen=True)
class Ratios:
    """A figure of the papers of gates over the ratio, beside PPO's clip."""

    head: Head
    gates: tuple[str, ...]
    """Smooth gates, which are the same for both signs of Â."""
    by_scale: bool
    """Draw a panel for each τ with a line for each gate; otherwise all τ in one panel."""


def ratios(wanted: Ratios, data: PaperData) -> Drawn | NotDrawn:
    """The figure, from the curves of the gates at the temperatures of the study."""
    own = data.gates[data.gates["ratio"] <= FARTHEST]
    smooth = own[own["gate"].isin(wanted.gates) & own["positive"]]
    if missing := [gate for gate in wanted.gates if gate not in set(smooth["gate"])]:
        return NotDrawn(wanted.head, f"the gate {' and '.join(missing)} in src/smoothgates/gates/")
    table = pd.concat([own[own["gate"] == CLIPS], smooth], ignore_index=True)[COLUMNS]
    taus = ", ".join(f"{tau:g}" for tau in sorted(smooth["scale"].unique()))
    clip = ", ".join(f"{bound:g}" for bound in table.loc[table["gate"] == CLIPS, "scale"].unique())
    words = (
        f"Gates f (above) and their weights f′ (below) over the ratio r, for τ = {taus}, and the clip at ε = {clip} "
        f"for each sign of Â. No runs are needed. f is as its formula has it: constants do not affect the gradient. "
        f"In the paper: {wanted.head.original}"
    )
    draw = one_panel_per_scale if wanted.by_scale else one_panel
    return Drawn(wanted.head, words, table, (draw, table, list(wanted.gates), data.gate_colours))


def one_panel_per_scale(table: pd.DataFrame, gates: list[str], colours: dict[str, str]) -> Figure:
    """A column for each τ, with a line for each gate."""
    taus = sorted(table.loc[table["gate"].isin(gates), "scale"].unique())
    columns = []
    for tau in taus:
        curves = clips(table)
        for gate in gates:
            found = table[(table["gate"] == gate) & (table["scale"] == tau)]
            curves[gate] = (found, colours[gate])
        columns.append((f"τ = {tau:g}", curves))
    return two_rows(columns)


def one_panel(table: pd.DataFrame, gates: list[str], _: dict[str, str]) -> Figure:
    """One column, with a line for each gate and τ."""
    curves = clips(table)
    for gate in gates:
        own = table[table["gate"] == gate]
        scales = sorted(own["scale"].unique())
        for tau, colour in zip(scales, shades(len(scales)), strict=True):
            curves[f"{gate}, τ = {tau:g}"] = (own[own["scale"] == tau], colour)
    return two_rows([("", curves)])


def clips(table: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, str]]:
    """The lines of the clip, one for each sign of Â."""
    own = table[table["gate"] == CLIPS]
    return {
        f"clip, Â {'>' if sign else '≤'} 0": (own[own["positive"] == sign], INK if sign else FAINT)
        for sign in (True, False)
    }


def two_rows(columns: list[tuple[str, dict[str, tuple[pd.DataFrame, str]]]]) -> Figure:
    """f above f′: one column for each title, with lines by label."""
    width = 2.7 if len(columns) > 1 else 4.6
    figure, axes = plt.subplots(2, len(columns), figsize=(width * len(columns), 5), sharex=True, squeeze=False)
    for (title, curves), (above, below) in zip(columns, axes.T, strict=True):
        for i, (name, (curve, colour)) in enumerate(curves.items()):
            for axis, column in ((above, "f"), (below, "weight")):
                axis.plot(curve["ratio"], curve[column], color=colour, lw=1.5, ls=DASHES[i % len(DASHES)], label=name)
        above.set_title(title, fontsize=9)
        below.set_ylim(-0.05, 1.1)
        below.set_xlabel("ratio r")
    axes[0, 0].set_ylabel("f(r)")
    axes[1, 0].set_ylabel("weight f′(r)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncol=3, frameon=False, fontsize=8)
    return figure
