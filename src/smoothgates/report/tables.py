"""The report's tables, as data frames of text: the page shows them, and they are saved as CSV and LaTeX."""

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.specs.control import CONTROL

MINUS = "−"


def number(value: float | None, digits: int = 1, signed: bool = False) -> str:
    """Format a number; None and NaN become an en dash."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


def bound_in_points(share: float | None) -> str:
    """Format a bound, given as a share, in points: never rounded down.

    >>> bound_in_points(0.02), bound_in_points(0.02001), bound_in_points(None)
    ('2.0', '2.1', '–')
    """
    return number(None if share is None or pd.isna(share) else math.ceil(round(1000 * share, 6)) / 10)


def probability(value: float) -> str:
    """Format a p-value.

    >>> probability(1.0), probability(0.001953125), probability(0.25)
    ('1', '0.0020', '0.25')
    """
    return f"{value:#.2g}" if value < 0.995 else "1"


def interval(mean, low, high, scale: float = 100, digits: int = 1, signed: bool = False) -> str:
    """Format `mean [low, high]` after multiplying by `scale`; only the mean if there is no interval.

    >>> interval(0.891, 0.85, 0.932)
    '89.1 [85.0, 93.2]'
    """
    text = number(mean * scale, digits, signed)
    if low is None or pd.isna(low):
        return text
    return f"{text} [{number(low * scale, digits, signed)}, {number(high * scale, digits, signed)}]"


def score_table(summaries: pd.DataFrame, comparisons: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Scores, collapses and paired differences from the reference, one row per cell × method, controls first."""
    rows = []
    for row, found, difference in _scores(summaries, comparisons, order):
        row["Pass@1"] = interval(found["mean"], found["low"], found["high"])
        row["median"] = number(found["median"] * 100)
        if not pd.isna(found.get("of")):
            row["collapsed"] = f"{found['collapsed']:.0f} of {found['of']:.0f}"
        if difference is not None:
            d = difference
            row["Δ"] = interval(d["difference"], *_possible(d["low"], d["high"]), signed=True)
            row["p (Holm)"] = probability(d["holm"])
            row |= {"|Δ| at most": bound_in_points(d["bound"]), "would see": bound_in_points(d["detectable"])}
        rows.append(row)
    return _informative(pd.DataFrame(rows).fillna("–"))


def outcomes_table(summaries: pd.DataFrame, comparisons: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """How the runs of each arm ended: interquartile mean, worst run, collapse rate, and how they compare otherwise."""
    rows = []
    for row, found, d in _scores(summaries, comparisons, order):
        row["IQM"] = number(found["iqm"] * 100)
        row["worst"] = number(min(found["by_seed"].values()) * 100)
        if not pd.isna(found.get("of")):
            share = found["collapsed"] / found["of"]
            row["collapse rate"] = interval(share, found["collapse_low"], found["collapse_high"], digits=0)
        if d is not None:
            row["P(better)"] = number(d["improvement"], 2)
            row["Δ, other problems"] = interval(
                d["difference"], *_possible(d["hierarchical_low"], d["hierarchical_high"]), signed=True
            )
        rows.append(row)
    return _informative(pd.DataFrame(rows).fillna("–"))


def _possible(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """An interval of a difference between two shares, without the values that none can have: those beyond ±1."""
    return (None, None) if low is None or pd.isna(low) else (max(-1.0, low), min(1.0, high))


def _scores(
    summaries: pd.DataFrame, comparisons: pd.DataFrame, order: list[str]
) -> Iterator[tuple[dict[str, str], pd.Series, pd.Series | None]]:
    """Keys, summary and comparison of the scores of each arm, controls first."""
    keys = [*CELL, "method"]
    scores = summaries[summaries["metric"] == "score"]
    scores = scores.sort_values(keys, key=lambda names: names.map(_rank(names, order)))
    differences = comparisons[comparisons["metric"] == "score"].set_index(keys)
    for _, found in scores.iterrows():
        key = tuple(found[keys])
        yield dict(zip(keys, key, strict=True)), found, differences.loc[key] if key in differences.index else None


def _informative(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop the benchmark column if there is only one benchmark, and rates that are 0 in all rows."""
    idle = [column for column in frame if column.endswith("%") and set(frame[column]) <= {number(0.0), "–"}]
    alone = frame["benchmark"].nunique() == 1
    return frame.drop(columns=[*idle, *(["benchmark"] if alone else [])])


def _rank(names: pd.Series, order: list[str]) -> dict[str, int]:
    """Sort key of each name: controls first, then the names in `order`, then the rest as they appear."""
    found = [CONTROL, *order, *dict.fromkeys(names)]
    return {name: found.index(name) for name in dict.fromkeys(names)}


def answers_table(runs: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Answers of the last checkpoints, mean over seeds: Pass@1, greedy, Pass@k, standard errors and failure rates."""
    keys = [*CELL, "method"]
    best = max((c for c in runs if c.startswith("pass_at_")), key=lambda c: int(c.split("_")[-1]), default=None)
    runs = runs.sort_values(keys, key=lambda names: names.map(_rank(names, order)))
    searching = set(runs.loc[runs["replies"] > 0, "task"])  # where some policy searches, others may have stopped
    rows = []
    for key, group in runs.groupby(keys, sort=False):
        mean = group.mean(numeric_only=True)
        row = dict(zip(keys, key, strict=True))
        row["Pass@1"] = number(mean["score"] * 100)
        row |= {"greedy": number(mean["greedy"] * 100)} if "greedy" in mean else {}
        row |= {best.replace("pass_at_", "Pass@"): number(mean[best] * 100)} if best else {}
        row |= {"F1": number(mean["component_f1"] * 100)} if "component_f1" in mean else {}
        row["± problems"] = number(mean["standard_error"] * 100)
        row["± samples"] = number(mean["sampling_error"] * 100)
        for rate in ("truncated", "unparsable", "timeout"):
            row[f"{rate} %"] = number(mean[rate] * 100)
        row["no search %"] = number(mean["no_search"] * 100 if row["task"] in searching else None)
        row["searches"] = number(mean["replies"] if row["task"] in searching else None, 2)
        row["tokens"] = number(mean["tokens"])
        rows.append(row)
    return _informative(pd.DataFrame(rows))


def stability_table(runs: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Stability of training, mean over seeds (maxima: worst seed), one row per task × regime × method."""
    keys = ["task", "regime", "method"]
    trained = runs[runs["regime"] != CONTROL].drop_duplicates([*keys, "seed"])  # one row per run
    trained = trained.sort_values(keys, key=lambda names: names.map(_rank(names, order)))
    rows = []
    for key, group in trained.groupby(keys, sort=False):
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "mean reward": number(group["mean_reward"].mean(), 3),
                "drawdown": number(group["drawdown"].mean(), 2),
                "KL": f"{group['mean_kl'].mean():.2g}",
                "EUR": number(group["mean_eur"].mean(), 3),
                "worst gradient norm": number(group["max_grad_norm"].max(), 1),
                "spikes %": number(group["grad_spikes"].mean() * 100),
                "largest |log r|": number(group["max_log_ratio"].max(), 1),
                "diverged": f"{(group['status'] == 'diverged').sum()} of {len(group)}",
            }
        )
    return pd.DataFrame(rows)


def routing_table(curves: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Share of experts changed by one update, and changed since sampling: mean over updates, and range over seeds.

    `curves`: updates of policies with experts.
    """
    keys, shares = ["task", "regime", "method"], ["routing_churn", "routing_drift"]
    by_seed = curves.groupby([*keys, "seed"], sort=False)[shares].mean().reset_index()
    by_seed = by_seed.sort_values(keys, key=lambda names: names.map(_rank(names, order)))
    rows = []
    for key, group in by_seed.groupby(keys, sort=False):
        row = dict(zip(keys, key, strict=True))
        for column, name in zip(shares, ("changed by one update", "changed since sampling"), strict=True):
            row[f"{name} %"] = interval(group[column].mean(), group[column].min(), group[column].max(), digits=2)
        rows.append(row)
    return pd.DataFrame(rows)


def data_table(manifests: list[dict]) -> pd.DataFrame:
    """Sources of each benchmark and its training data, and the overlap of their questions; one row per benchmark."""
    rows = []
    for data in manifests:
        spec = data["spec"]
        sources = ", ".join(part["source"] for part in spec["train"])
        for benchmark, overlap in data["overlap"].items():
            source = spec["benchmarks"][benchmark]["source"]
            rows.append(
                {
                    "task": spec["task"],
                    "benchmark": benchmark,
                    "source": f"{source} ({data['sources'][source]['from']})",
                    "problems": str(overlap["benchmark"]),
                    "trained on": f"{sources} ({overlap['train']})",
                    "same question": str(overlap["exact"]),
                    "shares 13 words": str(overlap["ngram"]),
                }
            )
    return pd.DataFrame(rows)


def made_up(manifests: list[dict]) -> list[str]:
    """Public sources that were replaced by made-up rows. Scores on these rows mean nothing."""
    facts = [item for data in manifests for item in data["sources"].items()]
    return sorted({source for source, fact in facts if fact.get("made_up")})


def save_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Save a table as CSV and as LaTeX."""
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / f"{name}.tex").write_text(latex(frame), encoding="utf-8")


def latex(frame: pd.DataFrame) -> str:
    """Format a table of text as a LaTeX tabular with booktabs rules."""
    escapes = {"_": r"\_", "%": r"\%", "Δ": r"$\Delta$", MINUS: "$-$", "–": "--", "|": r"\textbar{}"}

    def cell(value) -> str:
        return "".join(escapes.get(character, character) for character in str(value))

    rows = [" & ".join(map(cell, row)) + r" \\" for row in frame.fillna("–").itertuples(index=False)]
    head = " & ".join(map(cell, frame.columns)) + r" \\"
    body = [rf"\begin{{tabular}}{{{'l' * len(frame.columns)}}}", r"\toprule", head, r"\midrule", *rows]
    return "\n".join([*body, r"\bottomrule", r"\end{tabular}", ""])
