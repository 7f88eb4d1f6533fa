"""From the claims of the papers and the results of a study to a verdict on each claim."""

import math
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from smoothgates.analysis.collect import CELL, KEYS
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
    def finals(self) -> dict[Any, pd.DataFrame]:
        """The rows of `runs` by task, benchmark, regime and method, in the order of seeds."""
        return dict(list(self.runs.sort_values("seed").groupby([*CELL, "method"], sort=False)))

    @cached_property
    def updates(self) -> dict[Any, pd.DataFrame]:
        """The rows of `curves` by task, regime, method and seed."""
        return dict(list(self.curves.groupby(KEYS, sort=False)))


Side = tuple[Cell, str]
"""A cell and a method."""


@dataclass(frozen=True)
class Paired:
    """A measure of the runs of one or two sides, on the seeds for which each of them has its number."""

    seeds: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]
    """By side and seed."""
    errors: tuple[tuple[float, ...], ...]
    """Their errors from finite sampling."""
    files: tuple[str, ...]

    def compared(self, test: ClaimTest) -> Compared:
        """The effect of a test, seed by seed."""
        (one, *other), (error, *other_error) = self.values, self.errors
        second, second_error = other[0] if other else (0.0,) * len(one), other_error[0] if other else (0.0,) * len(one)
        effects = tuple(a - test.times * b - test.value for a, b in zip(one, second, strict=True))
        noises = [math.hypot(a, test.times * b) for a, b in zip(error, second_error, strict=True)]
        return Compared(effects, math.fsum(noises) / len(noises), test.direction, test.margin)


@dataclass(frozen=True)
class Trial:
    """A test of a claim in a cell that the study has."""

    cell: Cell
    methods: tuple[str, ...]
    paired: Paired
    compared: Compared


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
                | {"scale": scale, "effects": list(trial.compared.effects), "seeds": list(trial.paired.seeds)}
                | {"cell": trial.cell.model_dump(), "methods": list(trial.methods)}
                | _test(claim, measure)
                | {"files": list(trial.paired.files)}
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
    pairs = paired(test.metric, [(cell, method) for method in methods], found)
    return pairs if isinstance(pairs, str) else Trial(cell, methods, pairs, pairs.compared(test))


def paired(metric: str, sides: list[Side], found: Results) -> Paired | str:
    """The measure `metric` of the runs of these sides; otherwise what is missing."""
    measure = MEASURES[metric]
    known = [measured(measure, *side, found) for side in sides]
    logged = [values for values in known if values is not None]
    if len(logged) < len(known):
        return f"the metric {metric}, which is not logged"
    seeds = tuple(sorted(set.intersection(*map(set, logged))))
    if not seeds:
        return f"a seed with {metric} of {' and '.join(dict.fromkeys(method for _, method in sides))}"
    values, errors = (tuple(tuple(each[seed][i] for seed in seeds) for each in logged) for i in (0, 1))
    pattern = found.paths.metrics if measure.columns else found.paths.scores
    arms = [cell.model_dump() | {"method": method} for cell, method in sides]
    files = tuple(pattern.format(**arm, seed=seed) for arm in arms for seed in seeds)
    return Paired(seeds, values, errors, files)


def measured(measure: Measure, cell: Cell, method: str, found: Results) -> dict[int, tuple[float, float]] | None:
    """The measure of each seed's run with its error from finite sampling. None: it is not logged.

    Seeds without a finite number are left out.
    """
    if (measure.score and measure.score not in found.runs) or not set(measure.columns) <= set(found.curves):
        return None
    values = {}
    finals = found.finals.get((cell.task, cell.benchmark, cell.regime, method), found.runs.iloc[:0])
    for _, final in finals.iterrows():
        seed, own = int(final["seed"]), found.curves.iloc[:0]
        if measure.columns:
            own = found.updates.get((cell.task, cell.regime, method, seed), own)
        value = measure.of(final, own)
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
