"""What the data say, in sentences: never that a gate wins where they cannot tell."""

from dataclasses import dataclass

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.specs.control import CONTROL


@dataclass(frozen=True)
class Finding:
    """One regime of a task in a few sentences."""

    cell: str
    """Task, benchmark where the study has several, and regime."""
    headline: str
    detail: str


ALPHA = 0.05
"""Holm-corrected p below which a regime is said to show differences at all."""
CLOSE = 0.05
"""Method means within this of each other are called alike; further apart, the data are called too few to tell."""


def findings(summaries: pd.DataFrame, comparisons: pd.DataFrame, reference: str) -> list[Finding]:
    """One finding for each task × benchmark × regime, in the order of the study."""
    scores = summaries[(summaries["metric"] == "score") & (summaries["regime"] != CONTROL)]
    differences = comparisons[comparisons["metric"] == "score"].set_index(CELL)
    several = scores["benchmark"].nunique() > 1
    found = []
    for cell, rows in scores.groupby(CELL, sort=False):
        task, benchmark, regime = cell
        name = " · ".join([task, *([benchmark] if several else []), regime])
        own = differences.loc[[cell]] if cell in differences.index else differences.iloc[:0]
        found.append(_finding(name, rows, own, reference))
    return found


def _finding(cell: str, scores: pd.DataFrame, differences: pd.DataFrame, reference: str) -> Finding:
    low, high = scores.loc[scores["mean"].idxmin()], scores.loc[scores["mean"].idxmax()]
    spread = f"Method means run from {low['mean']:.3f} ({low['method']}) to {high['mean']:.3f} ({high['method']}). "
    established = differences[differences["established"].astype(bool)]
    clear = differences[(differences["low"] * differences["high"]) > 0]
    if len(established):
        names = ", ".join(f"{r['method']} {_points(r['difference'])}" for _, r in established.iterrows())
        return Finding(cell, f"Some methods differ from {reference}", f"{spread}Established: {names}.")
    smallest = differences["smallest_p"].min() if len(differences) else 1.0
    if len(differences) and differences["low"].isna().all():
        return Finding(cell, "One seed tells nothing", f"{spread}With one seed there is no interval and no test.")
    limit = f"With this many seeds the smallest exact p is {smallest:.2g}, so nothing here is established."
    if differences.empty:
        intervals = f"There is nothing to compare with {reference}. "
    elif clear.empty:
        intervals = f"Every paired interval against {reference} contains 0. "
    else:
        below = clear[clear["difference"] < 0]["method"].tolist()
        above = clear[clear["difference"] > 0]["method"].tolist()
        named = [f"{', '.join(names)} {word}" for word, names in (("below", below), ("above", above)) if names]
        count = f"{len(clear)} of {len(differences)} uncorrected paired intervals leave out 0"
        intervals = f"{count}, about {ALPHA * len(differences):.1g} would by chance: {'; '.join(named)} {reference}. "
    if len(differences) and differences["holm"].min() < ALPHA:
        headline = "Differences appear, none is established"
    elif high["mean"] - low["mean"] <= CLOSE:
        headline = "The gates do not separate here"
    else:
        headline = "The seeds cannot tell the methods apart"
    return Finding(cell, headline, spread + intervals + limit)


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points".replace("-", "−")
