"""The report's tables: as frames for CSV and LaTeX, with the cells that the page shows."""

from pathlib import Path

import pandas as pd

MINUS = "−"


def number(value: float | None, digits: int = 1, signed: bool = False) -> str:
    """A number for people; an en dash where there is none."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


def interval(mean, low, high, scale: float = 100, digits: int = 1, signed: bool = False) -> str:
    """`mean [low, high]`, scaled.

    >>> interval(0.891, 0.85, 0.932)
    '89.1 [85.0, 93.2]'
    """
    text = number(mean * scale, digits, signed)
    if low is None or pd.isna(low):
        return text
    return f"{text} [{number(low * scale, digits, signed)}, {number(high * scale, digits, signed)}]"


def score_table(summaries: pd.DataFrame, comparisons: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """One row a regime × method, controls first: score with interval, and the paired difference to the reference."""
    scores = summaries[summaries["metric"] == "score"]
    scores = scores.sort_values(["regime", "method"], key=lambda names: names.map(_rank(names, order)))
    differences = comparisons[comparisons["metric"] == "score"].set_index(["regime", "method"])
    rows = []
    for _, found in scores.iterrows():
        row = {
            "regime": found["regime"],
            "method": found["method"],
            "Pass@1": interval(found["mean"], found["low"], found["high"]),
        }
        key = (found["regime"], found["method"])
        if key in differences.index:
            d = differences.loc[key]
            row["Δ"] = interval(d["difference"], d["low"], d["high"], signed=True)
            row |= {"exact p": number(d["p"], 2), "Holm p": number(d["holm"], 2)}
        rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def _rank(names: pd.Series, order: list[str]) -> dict[str, int]:
    """Place of each name: controls first, then the given order, then as they come."""
    found = ["control", *order, *dict.fromkeys(names)]
    return {name: found.index(name) for name in dict.fromkeys(names)}


def stability_table(runs: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """What the last checkpoint hides, mean over seeds (maxima: worst seed), one row a regime × method."""
    rows = []
    trained = runs[runs["regime"] != "control"]
    for regime in trained["regime"].unique():
        for method in order:
            group = trained[(trained["regime"] == regime) & (trained["method"] == method)]
            if group.empty:
                continue
            rows.append(
                {
                    "regime": regime,
                    "method": method,
                    "mean reward": number(group["mean_reward"].mean(), 3),
                    "drawdown": number(group["drawdown"].mean(), 2),
                    "KL": f"{group['mean_kl'].mean():.2g}",
                    "EUR": number(group["mean_eur"].mean(), 3),
                    "worst gradient norm": number(group["max_grad_norm"].max(), 1),
                    "largest |log r|": number(group["max_log_ratio"].max(), 1),
                    "diverged": f"{(group['status'] == 'diverged').sum()} of {len(group)}",
                    "truncated %": number(group["truncated"].mean() * 100, 1),
                    "unparsable %": number(group["unparsable"].mean() * 100, 1),
                }
            )
    return pd.DataFrame(rows)


def save_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """The table as CSV and as LaTeX."""
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / f"{name}.tex").write_text(latex(frame))


def latex(frame: pd.DataFrame) -> str:
    """A booktabs tabular of a frame of texts."""
    escapes = {"_": r"\_", "%": r"\%", "Δ": r"$\Delta$", MINUS: "$-$", "–": "--", "|": r"\textbar{}"}

    def cell(value) -> str:
        return "".join(escapes.get(character, character) for character in str(value))

    rows = [" & ".join(map(cell, row)) + r" \\" for row in frame.fillna("–").itertuples(index=False)]
    head = " & ".join(map(cell, frame.columns)) + r" \\"
    body = [rf"\begin{{tabular}}{{{'l' * len(frame.columns)}}}", r"\toprule", head, r"\midrule", *rows]
    return "\n".join([*body, r"\bottomrule", r"\end{tabular}", ""])
