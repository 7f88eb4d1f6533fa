"""The section of the page on the questions beyond the papers: words, figures and tables of text."""

from typing import Any

from smoothgates.io.text import rounded_up
from smoothgates.report.question_words import (
    METRICS,
    Group,
    Question,
    Row,
    by_verdict,
    effect_of,
    headline,
    largest_bound,
    metric_of,
    name_of,
    paragraph,
    rule,
    share_of,
    would_see,
)
from smoothgates.report.text import NONE, interval, number, probability

LEGENDS = {
    "dial": "Large marker and bar: mean and interval over seeds; small dots: seeds. k/n: so many runs have collapsed.",
    "variances": "Left: the final scores of both sides, one dot per run. Right: the ratio of their variances. "
    "[k/n]: so many runs have collapsed.",
    "means": "Marker and bar: mean paired difference and its interval; small dots: seeds. Filled: established. "
    "[k/n, k/n]: so many runs of either side have collapsed. The band is what would be too small to matter.",
}
"""Captions, by form."""


def section(answers: dict[str, Any]) -> dict[str, Any]:
    """What questions.html.j2 shows of the answers of verdicts.json."""
    shown = []
    for question in answers["answered"]:
        kinds = by_verdict(row for group in question["groups"] for row in group["comparisons"])
        form = "dial" if question["dial"] else question["compares"]
        words = {"asks": question["asks"], "headline": headline(question), "text": " ".join(paragraph(question))}
        tables = {"arms": arms_shown(question), "comparisons": comparisons_shown(question)}
        shown.append(
            {
                "id": question["id"],
                "told": bool(kinds["above"] or kinds["below"]),
                **words,
                "figure": name_of(question),
                "caption": f"{LEGENDS[form]} {rule(question)}",
                **tables,
            }
        )
    return {"answered": shown, "absent": [question["id"].replace("_", " ") for question in answers["absent"]]}


def arms_shown(question: Question) -> list[Row]:
    """What each arm reached, as text: never a mean without its median and its collapses."""
    shown = {
        group["metric"]: (group["shown"], METRICS.get(group["metric"], group["metric"]), group["unit"])
        for group in question["groups"]
    }
    rows = []
    for arm in question["arms"]:
        factor, metric, unit = shown[arm["metric"]]
        digits, there = 1 if factor == 100 else 3, arm["mean"] is not None
        rows.append(
            {
                "task": arm["task"],
                "regime": arm["regime"],
                "method": arm["method"],
                "of": f"{metric}, {unit}",
                "mean": interval(arm["mean"], arm["low"], arm["high"], factor, digits) if there else NONE,
                "median": number(factor * arm["median"], digits) if there else NONE,
                "collapsed": f"{arm['collapsed']} of {arm['of']}" if arm["of"] else NONE,
                "n": str(arm["n"]),
            }
        )
    return rows


def comparisons_shown(question: Question) -> list[Row]:
    """Each comparison as text, with its verdict."""
    rows, variances = [], question["compares"] == "variances"
    for group in question["groups"]:
        for row in group["comparisons"]:
            ran = row["verdict"] != "not run"
            effect = (share_of(row) if variances else effect_of(row, group)) if ran else NONE
            least = f" (least {probability(row['smallest_p'])})" if row.get("smallest_p") else ""
            rows.append(
                {
                    "compared": compared(row),
                    "of": f"variance of {metric_of(group)}" if variances else metric_of(group),
                    "effect": effect,
                    "n": str(row["n"]) if ran else NONE,
                    "p": f"{probability(row['p'])}{least}" if ran else NONE,
                    "verdict": verdict_of(row, group, question),
                }
            )
    return rows


def compared(row: Row) -> str:
    """Both sides of a comparison in full.

    >>> one = {"task": "math", "regime": "lag4", "benchmark": "heldout", "method": "erf"}
    >>> compared({"one": one, "other": {**one, "method": "grpo"}})
    'erf − grpo, math lag4 heldout'
    >>> compared({"one": one, "other": {**one, "regime": "lag0"}})
    'erf lag4 − erf lag0, math heldout'
    """
    one, other = row["one"], row["other"]
    if one["regime"] == other["regime"]:
        return f"{one['method']} − {other['method']}, {one['task']} {one['regime']} {one['benchmark']}"
    sides = " − ".join(f"{side['method']} {side['regime']}" for side in (one, other))
    return f"{sides}, {one['task']} {one['benchmark']}"


def verdict_of(row: Row, group: Group, question: Question) -> str:
    """The verdict on one comparison in words."""
    if row["verdict"] == "not run":
        return f"not compared (needs {row['needs']})"
    if row["verdict"] == "cannot tell":
        return f"cannot tell{would_see([row], group, question)}"
    if row["verdict"] == "no effect":
        if question["compares"] == "variances":
            return f"no factor above {rounded_up(row['bound'])}"
        return f"no difference above {largest_bound([row], group)}"
    return {"above": "higher", "below": "lower"}[row["verdict"]]
