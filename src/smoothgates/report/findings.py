"""Describes the results in sentences. They never say that a method is better unless the data establish it."""

from dataclasses import dataclass

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.report.text import bound_in_points, listed, number
from smoothgates.specs.control import CONTROL


@dataclass(frozen=True)
class Finding:
    """A few sentences about one regime of a task."""

    cell: str
    """Task, benchmark if the study has several, and regime."""
    headline: str
    detail: str


CLOSE = 0.05
"""Methods whose bound on the difference is at most this are said to differ by no more than it."""
MOST_NAMES = 3
"""The most methods that a headline names."""


def findings(summaries: pd.DataFrame, comparisons: pd.DataFrame, reference: str, confidence: float) -> list[Finding]:
    """One finding for each task × benchmark × regime, in the order of the study."""
    scores = summaries[(summaries["metric"] == "score") & (summaries["regime"] != CONTROL)]
    differences = comparisons[comparisons["metric"] == "score"].set_index(CELL)
    several = scores["benchmark"].nunique() > 1
    found = []
    for cell, rows in scores.groupby(CELL, sort=False):
        task, benchmark, regime = cell
        name = " · ".join([task, *([benchmark] if several else []), regime])
        own = differences.loc[[cell]] if cell in differences.index else differences.iloc[:0]
        low, high = rows.loc[rows["mean"].idxmin()], rows.loc[rows["mean"].idxmax()]
        spread = (
            f"Method means range from {low['mean']:.3f} ({low['method']}) to {high['mean']:.3f} ({high['method']})."
        )
        headline, said = _said(own, reference, confidence)
        found.append(Finding(name, headline, " ".join([spread, *said, *_collapses(rows)])))
    return found


def _collapses(scores: pd.DataFrame) -> list[str]:
    """A sentence on the methods of which some runs collapsed, which means hide."""
    fallen = scores[scores["collapsed"] > 0] if "collapsed" in scores else scores.iloc[:0]
    counts = (f"{row['method']} {row['collapsed']:.0f} of {row['of']:.0f}" for _, row in fallen.iterrows())
    return [f"Collapsed: {', '.join(counts)} runs."] if len(fallen) else []


def _said(differences: pd.DataFrame, reference: str, confidence: float) -> tuple[str, list[str]]:
    """A headline, and sentences: what is established, what has no difference above a bound, what cannot be told."""
    if differences.empty:
        return "No comparison here", [f"There is nothing to compare with {reference}."]
    if differences["n"].max() == 1:
        return "One seed is too few to compare", ["One seed allows no interval and no test."]
    if all(value == 0 for values in differences["by_seed"] for value in values):
        return "All methods score the same", [f"On every seed, each method scores exactly what {reference} does."]
    sure, close = differences["established"].astype(bool), differences["bound"] <= CLOSE
    established, equal, unclear = differences[sure], differences[~sure & close], differences[~sure & ~close]
    said = []
    if len(equal):
        bound = bound_in_points(equal["bound"].max())
        headline = f"No difference above {bound} points"
        each = "equivalence test" if len(equal) == 1 else "equivalence test for each"
        level = f"{100 * confidence:g} % {each}"
        said.append(f"{headline} from {reference} ({level}): {listed(equal['method'])}.")
    if len(unclear):
        headline, sentences = _unclear(unclear, reference, confidence)
        said += sentences
    if len(established):
        names, all_of = established["method"], len(differences)
        who = listed(names) if len(names) <= MOST_NAMES else f"{len(names)} of {all_of} methods"
        headline = f"{who} {'differs' if len(names) == 1 else 'differ'} from {reference}"
        gaps = (f"{row['method']} {number(100 * row['difference'], signed=True)}" for _, row in established.iterrows())
        said.insert(0, f"Established: {', '.join(gaps)} points.")
    return headline, said


def _unclear(differences: pd.DataFrame, reference: str, confidence: float) -> tuple[str, list[str]]:
    """A headline and sentences on differences that are neither established nor small."""
    seeds, smallest = differences["n"].max(), differences["smallest_holm"].min()
    names, visible = listed(differences["method"]), differences["detectable"]
    if not smallest < 1 - confidence:
        headline = f"Cannot tell: {seeds} seeds can establish nothing"
        family = differences["family"].max()
        comparisons = "a single comparison" if family == 1 else f"{family} comparisons"
        limit = f"The smallest possible p of {comparisons} with {seeds} seeds is {smallest:.2g}."
        said = [f"Cannot tell: {names}. {limit}"]
    elif visible.isna().any():
        headline, limit = "Cannot tell", "The seeds differ too much to establish any difference."
        said = [f"Cannot tell: {names}. {limit}"]
    else:
        headline = f"Cannot tell (would see {bound_in_points(visible.max())} points)"
        each = (f"{row['method']} {bound_in_points(row['detectable'])}" for _, row in differences.iterrows())
        said = [f"Cannot tell; a repetition would see, with a power of 80 %: {', '.join(each)} points."]
    clear = differences[differences["low"] * differences["high"] > 0]
    if len(clear):
        sides = (("below", clear[clear["difference"] < 0]), ("above", clear[clear["difference"] > 0]))
        where = "; ".join(f"{listed(side['method'])} {word}" for word, side in sides if len(side))
        said.append(f"Uncorrected paired intervals that exclude 0: {where} {reference}.")
    return headline, said
