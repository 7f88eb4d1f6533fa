"""Numbers as text for people: the cells of the page's tables, and of the same tables in LaTeX."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

MINUS, NONE = "−", "–"
KEYS = ("task", "benchmark", "regime", "method")
FAILURES = ("truncated", "unparsable", "timeout", "no_search")
"""Rates that are left out where they are 0 in all rows."""

Row = dict[str, Any]
Columns = dict[str, tuple[str, Callable[[Row], str]]]
"""By the head of a column of text: the column of numbers without which it is left out, and the text of a row."""


def number(value: float | None, digits: int = 1, signed: bool = False) -> str:
    """Format a number; None and NaN become an en dash."""
    if value is None or pd.isna(value):
        return NONE
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


def bound_in_points(share: float | None) -> str:
    """Format a bound, given as a share, in points: never rounded down.

    >>> bound_in_points(0.02), bound_in_points(0.02001), bound_in_points(None)
    ('2.0', '2.1', '–')
    """
    return number(None if share is None or pd.isna(share) else math.ceil(round(1000 * share, 6)) / 10)


def probability(value: float) -> str:
    """Format a p-value.

    >>> probability(1.0), probability(0.001953125), probability(0.25), probability(math.nan)
    ('1', '0.0020', '0.25', '–')
    """
    return NONE if pd.isna(value) else f"{value:#.2g}" if value < 0.995 else "1"


def interval(mean, low, high, scale: float = 100, digits: int = 1, signed: bool = False) -> str:
    """Format `mean [low, high]` after multiplying by `scale`; only the mean if there is no interval.

    >>> interval(0.891, 0.85, 0.932)
    '89.1 [85.0, 93.2]'
    """
    text = number(mean * scale, digits, signed)
    if low is None or pd.isna(low):
        return text
    return f"{text} [{number(low * scale, digits, signed)}, {number(high * scale, digits, signed)}]"


def listed(names: Iterable[str]) -> str:
    """Names as in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else str(last)


def counted(count, of) -> str:
    """Format `3 of 10`, or a dash."""
    return NONE if pd.isna(of) else f"{count} of {of}"


def collapse_rate(row: Row) -> str:
    """Format the rate of collapses in percent, with its interval."""
    rate = math.nan if pd.isna(row["of"]) else row["collapsed"] / row["of"]
    return interval(rate, row["collapse_low"], row["collapse_high"], digits=0)


def points(column: str, digits: int = 1, scale: float = 100) -> tuple[str, Callable[[Row], str]]:
    """The column of a share in points; with another `scale` any number."""
    return column, lambda row: number(row[column] * scale, digits)


def spread(column: str, low: str, high: str, **style) -> tuple[str, Callable[[Row], str]]:
    """The column of a share in points, with the columns of its ends, which have these suffixes."""
    return column, lambda row: interval(*(row[column + end] for end in ("", low, high)), **style)


SCORES: Columns = {
    "Pass@1": ("mean", lambda row: interval(row["mean"], row["low"], row["high"])),
    "median": points("median"),
    "collapsed": ("of", lambda row: counted(row["collapsed"], row["of"])),
    "Δ": spread("difference", "_low", "_high", signed=True),
    "p (Holm)": ("difference", lambda row: probability(row["holm"])),
    "|Δ| at most": ("difference", lambda row: bound_in_points(row["bound"])),
    "would see": ("difference", lambda row: bound_in_points(row["detectable"])),
}
OUTCOMES: Columns = {
    "IQM": points("iqm"),
    "worst": points("worst"),
    "collapse rate": ("of", collapse_rate),
    "P(better)": points("improvement", 2, scale=1),
    "Δ, other problems": (
        "difference",
        lambda row: interval(row["difference"], row["hierarchical_low"], row["hierarchical_high"], signed=True),
    ),
}
ANSWERS: Columns = {
    "Pass@1": points("score"),
    "greedy": points("greedy"),
    **{f"Pass@{k}": points(f"pass_at_{k}") for k in (2**i for i in range(1, 21))},
    "F1": points("component_f1"),
    "± problems": points("standard_error"),
    "± samples": points("sampling_error"),
    **{f"{rate} %": points(rate) for rate in ("truncated", "unparsable", "timeout")},
    "no search %": points("no_search"),
    "searches": points("replies", 2, scale=1),
    "tokens": points("tokens", scale=1),
}
STABILITY: Columns = {
    "mean reward": points("mean_reward", 3, scale=1),
    "drawdown": points("drawdown", 2, scale=1),
    "KL": ("mean_kl", lambda row: f"{row['mean_kl']:.2g}"),
    "EUR": points("mean_eur", 3, scale=1),
    "worst gradient norm": points("max_grad_norm", scale=1),
    "spikes %": points("grad_spikes"),
    "largest |log r|": points("max_log_ratio", scale=1),
    "diverged": ("diverged", lambda row: counted(row["diverged"], row["of"])),
}
ROUTING: Columns = {
    "changed by one update %": spread("routing_churn", "_min", "_max", digits=2),
    "changed since sampling %": spread("routing_drift", "_min", "_max", digits=2),
}
DATA: Columns = {
    "benchmark": ("benchmark", lambda row: row["benchmark"]),
    "source": ("source", lambda row: f"{row['source']} ({row['origin']})"),
    "problems": points("problems", 0, scale=1),
    "trained on": ("trained_on", lambda row: f"{row['trained_on']} ({row['trained_on_rows']})"),
    "same question": points("same_question", 0, scale=1),
    "shares 13 words": points("shares_13_words", 0, scale=1),
}
TEXTS = {
    "scores": SCORES,
    "outcomes": OUTCOMES,
    "answers": ANSWERS,
    "stability": STABILITY,
    "routing": ROUTING,
    "data": DATA,
}
"""The columns of the page's tables, by the name of the table. That of the verdicts is in `verdicts.py`."""


def as_text(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table as text, without a benchmark that is the only one, and without columns that say nothing."""
    rows = table.to_dict("records")
    keys = [key for key in KEYS if key in table and (key != "benchmark" or table[key].nunique() > 1)]
    frame = table[keys].copy()
    for head, (needed, text) in TEXTS[name].items():
        if needed in table and table[needed].notna().any():
            cells = [text(row) for row in rows]
            if needed not in FAILURES or not set(cells) <= {number(0.0), NONE}:
                frame[head] = cells
    return frame


def latex(frame: pd.DataFrame) -> str:
    """Format a table of text as a LaTeX tabular with booktabs rules."""
    escapes = {"_": r"\_", "%": r"\%", "Δ": r"$\Delta$", MINUS: "$-$", NONE: "--", "|": r"\textbar{}"}

    def cell(value) -> str:
        return "".join(escapes.get(character, character) for character in str(value))

    rows = [" & ".join(map(cell, row)) + r" \\" for row in frame.fillna(NONE).itertuples(index=False)]
    head = " & ".join(map(cell, frame.columns)) + r" \\"
    body = [rf"\begin{{tabular}}{{{'l' * len(frame.columns)}}}", r"\toprule", head, r"\midrule", *rows]
    return "\n".join([*body, r"\bottomrule", r"\end{tabular}", ""])
