"""Describes the results in sentences. They never say that a method is better unless the data establish it."""

from dataclasses import dataclass

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.specs.control import CONTROL


@dataclass(frozen=True)
class Finding:
    """A few sentences about one regime of a task."""

    cell: str
    """Task, benchmark if the study has several, and regime."""
    headline: str
    detail: str


ALPHA = 0.05
"""A headline says that differences appear if a Holm-corrected p is below this."""
CLOSE = 0.05
"""Largest range of method means at which a headline says that methods do not separate."""


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
    spread = f"Method means range from {low['mean']:.3f} ({low['method']}) to {high['mean']:.3f} ({high['method']}). "
    established = differences[differences["established"].astype(bool)]
    clear = differences[(differences["low"] * differences["high"]) > 0]
    if len(established):
        names = ", ".join(f"{r['method']} {_points(r['difference'])}" for _, r in established.iterrows())
        return Finding(cell, f"Some methods differ from {reference}", f"{spread}Established: {names}.")
    if differences.empty:
        return Finding(cell, "No comparison here", f"{spread}There is nothing to compare with {reference}.")
    if differences["low"].isna().all():
        return Finding(cell, "One seed is too few to compare", f"{spread}One seed allows no interval and no test.")
    smallest = differences["smallest_p"].min()
    limit = f"With this many seeds the smallest possible exact p is {smallest:.2g}; no difference is established."
    if clear.empty:
        intervals = f"Every paired interval against {reference} contains 0. "
    else:
        below = clear[clear["difference"] < 0]["method"].tolist()
        above = clear[clear["difference"] > 0]["method"].tolist()
        named = [f"{', '.join(names)} {word}" for word, names in (("below", below), ("above", above)) if names]
        count = f"{len(clear)} of {len(differences)} uncorrected paired intervals exclude 0"
        intervals = f"{count} (about {ALPHA * len(differences):.1g} would by chance): {'; '.join(named)} {reference}. "
    if differences["holm"].min() < ALPHA:
        headline = "Differences appear, but none is established"
    elif high["mean"] - low["mean"] <= CLOSE:
        headline = "The gates do not separate here"
    else:
        headline = "The seeds cannot tell the methods apart"
    return Finding(cell, headline, spread + intervals + limit)


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points".replace("-", "−")
