"""The report's tables and curves as numbers, saved as CSV. `text.py` makes them readable."""

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.specs.control import CONTROL

ARM = ["task", "regime", "method"]
COUNTS = ["n", "collapsed", "of"]
"""Columns of whole numbers, which may be missing."""


def score_table(summaries: pd.DataFrame, comparisons: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Scores, collapses and paired differences from the reference, one row per cell × method, controls first."""
    columns = ["mean", "low", "high", "n", "median", "collapsed", "of"]
    columns += ["difference", "difference_low", "difference_high", "p", "holm", "bound", "detectable"]
    return _scores(summaries, comparisons, order, columns)


def outcomes_table(summaries: pd.DataFrame, comparisons: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """How the runs of each arm ended: interquartile mean, worst run, collapses, and how they compare otherwise."""
    columns = ["iqm", "worst", "collapsed", "of", "collapse_low", "collapse_high"]
    columns += ["improvement", "difference", "hierarchical_low", "hierarchical_high"]
    return _scores(summaries, comparisons, order, columns)


def _scores(summaries: pd.DataFrame, comparisons: pd.DataFrame, order: list[str], columns: list[str]) -> pd.DataFrame:
    """These columns of the summary of the scores of each arm, and of its comparison with the reference."""
    keys = [*CELL, "method"]
    scores = summaries[summaries["metric"] == "score"]
    scores = scores.assign(worst=[min(values.values()) for values in scores["by_seed"]])
    differences = comparisons[comparisons["metric"] == "score"].set_index(keys)
    differences = differences.rename(columns={"low": "difference_low", "high": "difference_high"})
    new = [column for column in differences if column not in scores]
    found = scores.join(differences[new], on=keys).reindex(columns=[*keys, *columns])
    found = found.astype(dict.fromkeys(columns, float))  # None is NaN
    return _sorted(found, keys, order).astype({column: "Int64" for column in COUNTS if column in columns})


def answers_table(runs: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Answers of the last checkpoints, mean over seeds: Pass@1, greedy, Pass@k, standard errors and failure rates."""
    keys = [*CELL, "method"]
    best = max((c for c in runs if c.startswith("pass_at_")), key=lambda c: int(c.split("_")[-1]), default=None)
    columns = ["score", "greedy", best, "component_f1", "standard_error", "sampling_error", "truncated", "unparsable"]
    columns += ["timeout", "no_search", "replies", "tokens"]
    means = runs.groupby(keys, sort=False)[[column for column in columns if column in runs]].mean().reset_index()
    searching = set(runs.loc[runs["replies"] > 0, "task"])  # where some policy searches, others may have stopped
    tools = ["no_search", "replies"]
    means[tools] = means[tools].where(means["task"].isin(searching))
    return _sorted(means, keys, order)


def stability_table(runs: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Stability of training, mean over seeds (maxima: worst seed), one row per task × regime × method."""
    trained = runs[runs["regime"] != CONTROL].drop_duplicates([*ARM, "seed"])  # one row per run
    found = trained.assign(diverged=trained["status"] == "diverged").groupby(ARM, sort=False)
    means = found[["mean_reward", "drawdown", "mean_kl", "mean_eur", "grad_spikes"]].mean()
    worst = found[["max_grad_norm", "max_log_ratio"]].max()
    return _sorted(means.join(worst).join(found["diverged"].agg(diverged="sum", of="size")).reset_index(), ARM, order)


def routing_table(curves: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Share of experts changed by one update, and changed since sampling: mean over updates, and range over seeds.

    `curves`: updates of policies with experts.
    """
    shares = ["routing_churn", "routing_drift"]
    by_seed = curves.groupby([*ARM, "seed"], sort=False)[shares].mean().groupby(ARM, sort=False)
    ends = {"": by_seed.mean(), "_min": by_seed.min(), "_max": by_seed.max()}
    found = pd.concat([frame.add_suffix(suffix) for suffix, frame in ends.items()], axis=1)
    return _sorted(found[[share + suffix for share in shares for suffix in ends]].reset_index(), ARM, order)


def data_table(manifests: list[dict]) -> pd.DataFrame:
    """Sources of each benchmark and its training data, and the overlap of their questions; one row per benchmark."""
    rows = []
    for data in manifests:
        spec = data["spec"]
        for benchmark, overlap in data["overlap"].items():
            source = spec["benchmarks"][benchmark]["source"]
            rows.append(
                {
                    "task": spec["task"],
                    "benchmark": benchmark,
                    "source": source,
                    "origin": data["sources"][source]["from"],
                    "problems": overlap["benchmark"],
                    "trained_on": ", ".join(part["source"] for part in spec["train"]),
                    "trained_on_rows": overlap["train"],
                    "same_question": overlap["exact"],
                    "shares_13_words": overlap["ngram"],
                }
            )
    return pd.DataFrame(rows)


def learning_curves(learning: pd.DataFrame) -> pd.DataFrame:
    """Held-out score of each kept checkpoint, over seeds; one row per cell × method × checkpoint."""
    return over_seeds(learning, [*CELL, "method", "rollouts"], ["score"])


def training_curves(curves: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Metrics of each rollout, over seeds; one row per arm × rollout × metric."""
    return over_seeds(rollout_means(curves, columns).astype({"rollout": int}), [*ARM, "rollout"], columns)


def rollout_means(curves: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means of metrics over the updates on each rollout of each run. `spread`: from the 1 % to the 99 % quantile of log
    r.
    """
    curves = curves.assign(spread=curves["log_ratio_q99"] - curves["log_ratio_q01"])
    return curves.groupby([*ARM, "seed", "rollout"], sort=False)[columns].mean().reset_index()


def over_seeds(frame: pd.DataFrame, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """Mean, least and largest value over seeds, and their number n; one row per key × column with a value."""
    long = frame.melt([*keys, "seed"], columns, "metric").dropna(subset=["value"])
    found = long.groupby([*keys, "metric"], sort=False)["value"].agg(mean="mean", min="min", max="max", n="size")
    return found.reset_index()


def made_up(manifests: list[dict]) -> list[str]:
    """Public sources that were replaced by made-up rows. Scores on these rows mean nothing."""
    facts = [item for data in manifests for item in data["sources"].items()]
    return sorted({source for source, fact in facts if fact.get("made_up")})


def _sorted(frame: pd.DataFrame, keys: list[str], order: list[str]) -> pd.DataFrame:
    """Sort by names: controls first, then the names in `order`, then the rest as they appear."""

    def rank(names: pd.Series) -> pd.Series:
        found = list(dict.fromkeys([CONTROL, *order, *names]))
        return names.map(found.index)

    return frame.sort_values(keys, key=rank, ignore_index=True)
