"""The data of the compare view, which page.js.j2 draws with Vega-Lite in the reader's browser."""

import json
import math
import re
from typing import Any

import numpy as np
import pandas as pd
import vl_convert

from smoothgates.analysis.collect import KEYS
from smoothgates.report.figures import CURVES
from smoothgates.report.style import Look, themed
from smoothgates.report.tables import rollout_means
from smoothgates.specs.control import CONTROL, WARM_START, WARM_START_MOE

MOST_NUMBERS = 300_000
"""About 2 MB of JSON."""
MOST_POINTS = 60
"""Points of a curve. Neighbouring rollouts are averaged where a run has more."""
NO_LINES: dict[str, Any] = {"x": [], "lines": {}, "ends": {}}
"""Of a run whose metrics are missing."""


def library() -> str:
    """Vega-Lite, with what draws it, as JavaScript. The pinned package contains it: nothing is downloaded."""
    code = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    assert not re.search("</script|<!--", code, re.IGNORECASE)  # would end the element, or change how it is read
    return code


def as_script(data: Any) -> str:
    """JSON that no text inside can end the script element of.

    >>> as_script({"a": "</script>&"})
    '{"a":"\\\\u003c/script\\\\u003e\\\\u0026"}'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def view(runs: pd.DataFrame, learning: pd.DataFrame, curves: pd.DataFrame, look: Look, moe: tuple[str, ...]) -> dict:
    """Everything that the compare view shows: curves of each run, and one number of each run for every metric.

    That number is the final score, or the mean of the metric over the rollouts of the run.
    """
    trained = runs[runs["regime"] != CONTROL]
    benchmarks = list(trained["benchmark"].unique())
    metrics = [
        {"id": f"score:{name}", "label": "held-out Pass@1" + (f", {name}" if len(benchmarks) > 1 else ""), "of": "last"}
        for name in benchmarks
    ]
    metrics += [{"id": name, "label": label, "of": "mean"} for name, label, _ in CURVES]
    scored = _scored(learning)
    lines = _lines(curves)
    cells: dict[tuple[str, str], dict[tuple, dict]] = {}
    for row in trained[[*KEYS, "benchmark", "score"]].itertuples(index=False):
        task, regime, method, seed, benchmark, score = row
        key, name = (task, regime, method, seed), f"score:{benchmark}"
        runs_of_cell = cells.setdefault((task, regime), {})
        run = runs_of_cell.setdefault(
            key, {"method": method, "seed": int(seed), "at": {}, **(lines.get(key) or NO_LINES)}
        )
        run["ends"] = {**run["ends"], name: _number(score)}
        if points := scored.get((*key, benchmark)):
            start = WARM_START_MOE if regime in moe else WARM_START
            points = scored.get((task, CONTROL, start, seed, benchmark), []) + points
            run["at"][name] = [_number(at) for at, _ in points]
            run["lines"] = {**run["lines"], name: [_number(value) for _, value in points]}
    return {
        "methods": [{"name": name, "colour": themed(colour)} for name, colour in look.colour.items()],
        "metrics": metrics,
        "cells": [{"task": t, "regime": regime, "runs": [*own.values()]} for (t, regime), own in cells.items()],
    }


def _scored(learning: pd.DataFrame) -> dict[tuple, list[tuple[float, float]]]:
    """Rollouts and score of each checkpoint of a run, by the run and the benchmark."""
    found: dict[tuple, list[tuple[float, float]]] = {}
    if len(learning):
        ordered = learning.sort_values("rollouts", kind="stable")
        for *key, at, score in ordered[[*KEYS, "benchmark", "rollouts", "score"]].itertuples(index=False):
            found.setdefault(tuple(key), []).append((at, score))
    return found


def _lines(curves: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """The metrics of each run over its rollouts, with few points, and their means."""
    columns = [name for name, _, _ in CURVES]
    by_rollout = rollout_means(curves.replace([np.inf, -np.inf], np.nan), columns)
    runs = by_rollout.groupby(KEYS, sort=False)
    points = max(8, min(MOST_POINTS, MOST_NUMBERS // (len(columns) * max(1, runs.ngroups))))
    width = np.ceil(runs["rollout"].transform("size") / points)
    by_rollout["bin"] = runs.cumcount() // width
    binned = by_rollout.groupby([*KEYS, "bin"], sort=False)[["rollout", *columns]].mean().reset_index()
    ends = runs[columns].mean().to_dict("index")
    table = binned[["rollout", *columns]].to_numpy()
    return {
        key: {
            "x": [_number(value) for value in table[rows, 0]],
            "lines": {name: [_number(value) for value in table[rows, at]] for at, name in enumerate(columns, start=1)},
            "ends": {name: _number(value) for name, value in ends[key].items()},
        }
        for key, rows in binned.groupby(KEYS, sort=False).indices.items()
    }


def _number(value: float) -> float | None:
    """Four digits; None for what JSON has no number for.

    >>> _number(0.123456), _number(16.0), _number(math.nan)
    (0.1235, 16, None)
    """
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short
