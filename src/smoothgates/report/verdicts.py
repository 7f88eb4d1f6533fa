"""The verdicts on the papers' claims as text: the counts, and a table for each paper."""

from collections import Counter
from typing import Any

import pandas as pd

from smoothgates.report.text import NONE, interval, number

PAPERS = {
    "2507.18071": "GSPO: Group Sequence Policy Optimization",
    "2511.00066": "GRPO-SG: Sharpness-Guided GRPO via Probability Shaping",
    "2511.20347": "SAPO: Soft Adaptive Policy Optimization",
    "2602.19345": "Smooth Gate Functions for SAPO",
}
"""Short titles, by number on arXiv."""
SHORT = {"2507.18071": "GSPO", "2511.00066": "GRPO-SG", "2511.20347": "SAPO", "2602.19345": "gates"}
THEORY = "theory"
COUNTED = {
    "holds": ("holds", "hold"),
    "opposite": ("is the opposite of what is claimed", "are the opposite of what is claimed"),
    "no effect": ("shows no effect above a stated bound", "show no effect above a stated bound"),
    "cannot tell": ("cannot be told", "cannot be told"),
    "not run": ("was not run", "were not run"),
}
"""Each verdict in a sentence of counts, for one claim and for several."""
NUMBERS = ["verdict", "effect", "low", "high", "unit", "n", "p", "smallest_p", "bound", "detectable", "scale"]


def sentence(counts: dict[str, int]) -> str:
    """Counts in words, without verdicts that no claim has.

    >>> sentence({"holds": 1, "opposite": 0, "not run": 20})
    '1 holds, 20 were not run'
    """
    found = [(counts[kind], words) for kind, words in COUNTED.items() if counts.get(kind)]
    return ", ".join(f"{count} {words[count != 1]}" for count, words in found)


def verdict_numbers(verdicts: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per claim, with the numbers of its verdict. Shares are not multiplied for display."""
    columns = ["id", "paper", *NUMBERS, "task", "regime", "benchmark", "metric", "methods"]
    rows = []
    for verdict in verdicts:
        unit = {"unit": "share"} if verdict.get("shown") == 100 else {}
        rows.append(verdict | verdict.get("cell", {}) | unit | {"methods": " ".join(verdict.get("methods", ()))})
    return pd.DataFrame(rows).reindex(columns=columns).astype({"n": "Int64"})


def verdict_table(verdicts: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per claim, cells as text."""
    return pd.DataFrame([_row(verdict) for verdict in verdicts])


def _row(verdict: dict[str, Any]) -> dict[str, str]:
    compared = "n" in verdict
    cell = [verdict["cell"][key] for key in ("task", "regime", "benchmark")] if compared else []
    reported = verdict.get("reported")
    return {
        "paper": verdict["paper"],
        "claim": verdict["id"],
        "statement": verdict["statement"],
        "where": verdict["where"],
        "reported": reported["text"] if reported else NONE,
        "of": reported["policy"] if reported else NONE,
        "verdict": verdict["words"],
        "effect": _effect(verdict) if compared else verdict.get("detail", NONE),
        "n": str(verdict["n"]) if compared else NONE,
        "p": f"{number(verdict['p'], 3)} (least {number(verdict['smallest_p'], 3)})" if compared else NONE,
        "scale": verdict.get("scale") or NONE,
        "tested on": " · ".join([*cell, f"{verdict['metric']} of {_compared(verdict)}"]) if compared else NONE,
    }


def _effect(verdict: dict[str, Any]) -> str:
    shown, digits = verdict["shown"], 1 if verdict["shown"] == 100 else 3
    value = interval(verdict["effect"], verdict["low"], verdict["high"], shown, digits, signed=True)
    return f"{value} {verdict['unit']}"


def _compared(verdict: dict[str, Any]) -> str:
    """The methods as in the formula of the effect: `gspo − 10 × grpo`."""
    (one, *other), times, value = verdict["methods"], verdict["test"]["times"], verdict["test"]["value"]
    minus = [name if times == 1 else f"{times:g} × {name}" for name in other] + ([f"{value:g}"] if value else [])
    return " − ".join([one, *minus])


def _rows(table: pd.DataFrame, verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the page: what runs have tested first, then theory, then what was not run."""
    rows = []
    for row, verdict in zip(table.to_dict("records"), verdicts, strict=True):
        group = THEORY if verdict["theory"] else verdict["verdict"]
        more = {"kind": verdict["verdict"].replace(" ", "-"), "group": group, "short": SHORT.get(row["paper"], "")}
        rows.append({**row, **more})
    order = [*(kind for kind in COUNTED if kind != "not run"), THEORY, "not run"]
    return sorted(rows, key=lambda row: (order.index(row["group"]), row["paper"]))


def section(judged: dict[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """What verdicts.html.j2 shows of the content of verdicts.json."""
    totals = {of: sum(counts.values()) for of, counts in judged["counts"].items()}
    rows = _rows(table, judged["verdicts"])
    papers, groups = Counter(row["paper"] for row in rows), Counter(row["group"] for row in rows)
    return {
        "total": sum(totals.values()),
        "runs_total": totals["runs"],
        "theory_total": totals["theory"],
        "runs": sentence(judged["counts"]["runs"]),
        "theory": sentence(judged["counts"]["theory"]),
        "family": len(judged["family"]["claims"]),
        "rows": rows,
        "papers": [{"paper": p, "short": f"{SHORT[p]}: {p}", "rows": papers[p]} for p in sorted(papers)],
        "verdicts": [{"name": name, "rows": count} for name, count in groups.items()],
    }
