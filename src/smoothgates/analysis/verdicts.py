"""From the claims of the papers and the results of a study to a verdict on each claim."""

import math
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.analysis.measures import MEASURES, Measure
from smoothgates.analysis.rule import KINDS, Compared, judge, wording
from smoothgates.io.paths import Paths
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.claims import Cell, Claim, Claims, ClaimTest


@dataclass(frozen=True)
class Results:
    """The results of a study that verdicts are made from."""

    spec: AnalyseSpec
    runs: pd.DataFrame
    """One row per run and benchmark."""
    curves: pd.DataFrame
    """One row per update, with the run's keys."""
    theory: dict[str, dict[str, Any]]
    """What the checks of analysis/theory.py found, by name."""
    paths: Paths

    @cached_property
    def updates(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        """The rows of `curves` of each task, regime and method."""
        return dict(iter(self.curves.groupby(["task", "regime", "method"], sort=False)))


@dataclass(frozen=True)
class Trial:
    """A test of a claim in a cell that the study has."""

    cell: Cell
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    """Seeds for which every policy has its number."""
    compared: Compared
    files: tuple[str, ...]


def verdicts(found: Results) -> dict[str, Any]:
    """The verdicts on all claims, and the family within which their p-values are corrected."""
    claims = found.spec.claims
    trials: dict[str, Trial] = {}
    missing: dict[str, str] = {}
    for name, claim in claims.claims.items():
        if claim.test:
            trial = _trial(claim.test, found)
            if isinstance(trial, Trial):
                trials[name] = trial
            else:
                missing[name] = trial
    confidence = found.spec.confidence
    judged = dict(zip(trials, judge([trial.compared for trial in trials.values()], confidence), strict=True))
    rows = []
    for name, claim in sorted(claims.claims.items(), key=lambda item: (item[1].paper, item[0])):
        row: dict[str, Any] = {"id": name, "paper": claim.paper, "statement": claim.statement, "where": claim.where}
        row["theory"] = claim.check is not None
        if claim.check:
            rows.append(row | _checked(claim.check, found))
        elif name in trials and claim.test:
            trial, measure = trials[name], MEASURES[claim.test.metric]
            scale = found.spec.tasks[trial.cell.task].scale[trial.cell.regime]
            numbers = asdict(judged[name])
            rows.append(
                row
                | {"verdict": numbers.pop("kind"), "words": wording(judged[name], scale, measure.unit, measure.shown)}
                | numbers
                | {"scale": scale, "effects": list(trial.compared.effects), "seeds": list(trial.seeds)}
                | {"cell": trial.cell.model_dump(), "methods": list(trial.methods)}
                | _test(claim, measure)
                | {"files": list(trial.files)}
            )
        else:
            words = f"not run (needs {needed(claim, claims, missing.get(name))})"
            rows.append(row | {"verdict": "not run", "words": words} | _test(claim, None) | {"files": []})
    return {
        "study": found.spec.study,
        "confidence": confidence,
        "family": {"correction": "Holm", "test": "two-sided sign-flip", "claims": sorted(trials)},
        "counts": {"runs": counted(rows, theory=False), "theory": counted(rows, theory=True)},
        "verdicts": rows,
    }


def counted(rows: list[dict[str, Any]], theory: bool) -> dict[str, int]:
    """How many claims have each verdict: those of theory, or those about trained policies."""
    counts = Counter(row["verdict"] for row in rows if row["theory"] == theory)
    return {kind: counts[kind] for kind in KINDS}


def _trial(test: ClaimTest, found: Results) -> Trial | str:
    """The test in the first of its cells that the study has; otherwise what it needs beside a study of config/."""
    if found.spec.rehearses:
        return "more than a rehearsal"
    for cell in test.cells:
        task = found.spec.tasks.get(cell.task)
        if task and cell.benchmark in task.benchmarks:
            known = {method for regime, method in task.arms if regime == cell.regime}
            for methods in test.methods:
                if known.issuperset(methods):
                    return _compare(test, cell, methods, found)
    return ""


def _compare(test: ClaimTest, cell: Cell, methods: tuple[str, ...], found: Results) -> Trial | str:
    measure = MEASURES[test.metric]
    sides = [measured(measure, cell, method, found) for method in methods]
    logged = [values for values in sides if values is not None]
    if len(logged) < len(sides):
        return f"the metric {test.metric}, which is not logged"
    seeds = tuple(sorted(set.intersection(*map(set, logged))))
    if not seeds:
        return f"a seed with {test.metric} of {' and '.join(methods)}"
    effects, errors = [], []
    for seed in seeds:
        (one, error), (other, other_error) = logged[0][seed], logged[1][seed] if len(logged) > 1 else (0.0, 0.0)
        effects.append(one - test.times * other - test.value)
        errors.append(math.hypot(error, test.times * other_error))
    compared = Compared(tuple(effects), math.fsum(errors) / len(errors), test.direction, test.margin)
    pattern = found.paths.metrics if measure.columns else found.paths.scores
    keys = {"task": cell.task, "regime": cell.regime, "benchmark": cell.benchmark}
    files = tuple(pattern.format(**keys, method=method, seed=seed) for method in methods for seed in seeds)
    return Trial(cell, methods, seeds, compared, files)


def measured(measure: Measure, cell: Cell, method: str, found: Results) -> dict[int, tuple[float, float]] | None:
    """The measure of each seed's run with its error from finite sampling. None: it is not logged.

    Seeds without a finite number are left out.
    """
    of_cell = dict(zip(CELL, (cell.task, cell.benchmark, cell.regime), strict=True)) | {"method": method}
    finals = found.runs[(found.runs[list(of_cell)] == pd.Series(of_cell)).all(axis=1)]
    if (measure.score and measure.score not in found.runs) or not set(measure.columns) <= set(found.curves):
        return None
    own = found.updates.get((cell.task, cell.regime, method), found.curves.iloc[:0])
    values = {}
    for _, final in finals.sort_values("seed").iterrows():
        seed = int(final["seed"])
        value = measure.of(final, own[own["seed"] == seed])
        error = final["sampling_error"] if measure.score == "score" else 0.0
        if math.isfinite(value):
            values[seed] = (value, 0.0 if math.isnan(error) else float(error))
    return values


def _checked(check: str, found: Results) -> dict[str, Any]:
    facts = {"scale": None, "metric": None, "files": [found.paths.gates]}
    result = found.theory.get(check)
    if result is None:
        return facts | {"verdict": "not run", "words": f"not run (needs the check {check})", "files": []}
    kind = "holds" if result["holds"] else "opposite"
    return facts | {"verdict": kind, "words": f"{kind} numerically, without a policy", "detail": result["detail"]}


def _test(claim: Claim, measure: Measure | None) -> dict[str, Any]:
    """What the paper reports, and what is compared."""
    facts: dict[str, Any] = {"reported": claim.reported.model_dump() if claim.reported else None}
    facts["metric"] = claim.test.metric if claim.test else None
    if measure and claim.test:
        test = claim.test.model_dump(include={"times", "value", "direction", "margin"})
        facts |= {"unit": measure.unit, "shown": measure.shown, "test": test}
    return facts


def needed(claim: Claim, claims: Claims, reason: str | None) -> str:
    """What the test of a claim needs that this study does not have."""
    parts = [reason] if reason else []
    if claim.needs and claim.needs.more:
        parts.append(claim.needs.more)
    if claim.needs and claim.needs.study:
        plan = claims.studies[claim.needs.study]
        parts.append(
            f"study {claim.needs.study}: {plan.gpu_hours:,.0f} GPU-hours for {plan.seeds} seeds on {plan.machine}"
        )
    return "; ".join(parts)
