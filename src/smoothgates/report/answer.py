"""The answer to "do the gates help?" in two sentences. It says no more than the comparisons establish or bound."""

from collections.abc import Mapping
from itertools import groupby

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.report.findings import CLOSE
from smoothgates.report.text import bound_in_points, listed, number

MOST = 4
"""The most methods that are named one by one; of more, the largest differences are."""


def answer(comparisons: pd.DataFrame, reference: str, sizes: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is established, and what is bounded or cannot be told; one sentence each.

    `comparisons`: of each method with `reference`. `sizes`: the policy's size in words, by task and regime.
    """
    scores = comparisons[(comparisons["metric"] == "score") & (comparisons["n"] > 1)]
    if scores.empty:
        return [f"This study has no two seeds of a method beside {reference}: it can tell nothing about gates."]
    several = scores["benchmark"].nunique() > 1
    scores = scores.assign(
        where=[" · ".join([row["regime"], *([row["benchmark"]] if several else [])]) for _, row in scores.iterrows()],
        established=scores["established"].astype(bool),
    )
    used = sorted({sizes[task][regime] for _, (task, regime) in scores[["task", "regime"]].iterrows()})
    return [f"With policies of {' or '.join(used)}: {_established(scores, reference)}.", _rest(scores, reference)]


def _established(scores: pd.DataFrame, reference: str) -> str:
    """What is established in each task, and in which nothing is."""
    parts, silent = [], []
    for task, own in scores.groupby("task", sort=False):
        found = own[own["established"]]
        if found.empty:
            silent.append(str(task))
            continue
        above, below = found[found["difference"] > 0], found[found["difference"] < 0]
        sides = [
            f"{_named(side)} {'scores' if len(side) == 1 else 'score'} {word} {reference}"
            for side, word in ((below, "below"), (above, "above"))
            if len(side)
        ]
        parts.append(f"in {task}, {' and '.join(sides)}")
    if silent:
        parts.append(f"in {listed(silent)}, no difference from {reference} in held-out score is established")
    return "; ".join(parts)


def _named(rows: pd.DataFrame) -> str:
    """The methods with their differences, by regime: `a (−2.0) and b (−1.0 points) under lag4`."""
    rows = rows.reindex(rows["difference"].abs().sort_values(ascending=False, kind="stable").index)
    shown, left = rows.head(MOST), len(rows) - MOST
    parts = []
    for where, own in groupby(shown.sort_values("where", kind="stable").to_dict("records"), lambda row: row["where"]):
        each = [f"{row['method']} ({number(100 * row['difference'], signed=True)})" for row in own]
        parts.append(f"{listed(each)} under {where}")
    more = f", and {left} more" if left > 0 else ""
    return f"{'; '.join(parts)}{more}"


def _rest(scores: pd.DataFrame, reference: str) -> str:
    """How many of the other differences are bounded, and what hides behind the rest."""
    rest = scores[~scores["established"]]
    if rest.empty:
        return f"Every comparison with {reference} is established (numbers are points of held-out score)."
    close = rest["bound"] <= CLOSE
    bounded, unclear = rest[close], rest[~close]
    said = []
    if len(bounded):
        bound = bound_in_points(bounded["bound"].max())
        of = scores.groupby("task", sort=False).size()
        counts = bounded.groupby("task", sort=False).size()
        task, *others = counts.index
        where = [
            f"{counts[task]} of {of[task]} comparisons in {task}",
            *(f"{counts[t]} of {of[t]} in {t}" for t in others),
        ]
        said.append(f"in {listed(where)}, equivalence tests leave at most {bound} points")
    if len(unclear):
        said.append(f"about {'the other ' if said else ''}{len(unclear)} the study cannot tell: {_why(unclear)}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _why(unclear: pd.DataFrame) -> str:
    visible = unclear["detectable"].dropna()
    if visible.empty:
        return "with these seeds and this spread, no difference could be established"
    low, high = bound_in_points(visible.min()), bound_in_points(visible.max())
    sees = f"a repetition would see {low if low == high else f'{low} to {high}'} points with a power of 80 %"
    blind = len(unclear) - len(visible)
    return f"{sees}{f', and in {blind} of them none, however large' if blind else ''}"


def cells_of_interest(comparisons: pd.DataFrame) -> list[tuple[str, str, str]]:
    """One cell of each task and benchmark, for the figure beside the answer.

    It is the cell that compares most methods; of several, the one with most that is established, then with the largest
    differences.
    """
    scores = comparisons[comparisons["metric"] == "score"]
    chosen = []
    for _, own in scores.groupby(["task", "benchmark"], sort=False):
        cells = [(len(rows), int(rows["established"].astype(bool).sum()), rows["difference"].abs().max(), key)
                 for key, rows in own.groupby(CELL, sort=False)]  # fmt: skip
        chosen.append(max(cells, key=lambda each: each[:3])[3])
    return chosen
