"""From the questions beyond the papers and the results of a study to the answers that it has cells for."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from smoothgates.analysis.compare import cut
from smoothgates.analysis.measures import MEASURES
from smoothgates.analysis.rule import Judged, judge
from smoothgates.analysis.statistics import POWER, holm, t_interval
from smoothgates.analysis.variances import VarianceRatio, variance_ratio
from smoothgates.analysis.verdicts import Results, Side, measured, paired
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.claims import Cell, ClaimTest
from smoothgates.specs.questions import Group, Question

DIFFERS = {"holds": "above", "opposite": "below"}
"""What an established effect is called here, where nothing was claimed."""


@dataclass(frozen=True)
class Comparison:
    """`one` minus `other`, or their variances."""

    group: int
    """The place of its group in the question."""
    one: Side
    other: Side


def comparisons_of(question: Question, spec: AnalyseSpec) -> list[Comparison]:
    """The comparisons of a question that a study has the arms of: its family. A rehearsal answers nothing."""
    if spec.rehearses:
        return []
    found = []
    for i, group in enumerate(question.groups):
        for place in group.cells:
            task = spec.tasks.get(place.task)
            if task is None or place.benchmark not in task.benchmarks:
                continue
            arms = list(task.arms)
            for regime in place.regimes:
                names = [method for of, method in arms if of == regime]
                pairs = group.methods or [(name, spec.reference) for name in names if name != spec.reference]
                for first, *rest in pairs:
                    sides = ((regime, first), (group.against or regime, rest[0] if rest else first))
                    if set(sides) <= set(arms):
                        cells = [Cell(task=place.task, regime=of, benchmark=place.benchmark) for of, _ in sides]
                        found.append(Comparison(i, (cells[0], sides[0][1]), (cells[1], sides[1][1])))
    return found


def answers(found: Results) -> dict[str, Any]:
    """The answers to the questions that the study has cells for, and the others by id."""
    answered, absent = [], []
    for question in found.spec.questions.questions:
        if family := comparisons_of(question, found.spec):
            answered.append(answer(question, family, found))
        else:
            absent.append({"id": question.id, "asks": question.asks})
    return {"answered": answered, "absent": absent}


def answer(question: Question, family: Sequence[Comparison], found: Results) -> dict[str, Any]:
    """All comparisons of a question, judged together, and what its arms reached."""
    judged = (compared_variances if question.compares == "variances" else compared_means)(question, family, found)
    groups = []
    for i, group in enumerate(question.groups):
        measure = MEASURES[group.metric]
        rows = [row for each, row in zip(family, judged, strict=True) if each.group == i]
        if rows:
            facts = {"one": group.one, "other": group.other, "metric": group.metric, "margin": group.margin}
            groups.append({**facts, "unit": measure.unit, "shown": measure.shown, "comparisons": rows})
    sides: dict[tuple[str, Cell, str], None] = {}
    for each in family:
        metric = question.groups[each.group].metric
        steps = on_dial(question, each.one, found.spec)
        sides |= {(metric, *side): None for side in (each.one, *steps, each.other)}
    return {
        "id": question.id,
        "asks": question.asks,
        "compares": question.compares,
        "dial": question.dial.model_dump() if question.dial else None,
        "family": sum(row["verdict"] != "not run" for row in judged),
        "confidence": found.spec.confidence,
        "power": POWER,
        "seeds": len(found.spec.seeds),
        "groups": groups,
        "arms": [reached(metric, (cell, method), found) for metric, cell, method in sides],
    }


def on_dial(question: Question, side: Side, spec: AnalyseSpec) -> list[Side]:
    """The arms of the same method at every step of the dial, also where the question compares none."""
    cell, method = side
    steps = [step for step in (question.dial.values if question.dial else ()) if step in spec.tasks[cell.task].scale]
    found = [(cell.model_copy(update={"regime": step}), method) for step in steps]
    return [each for each in found if (each[0].regime, method) in spec.tasks[cell.task].arms]


def compared_means(question: Question, family: Sequence[Comparison], found: Results) -> list[dict[str, Any]]:
    """One row for each comparison, by the rule that judges claims."""
    rows, tested, compared = [described(each, found) for each in family], [], []
    for each, row in zip(family, rows, strict=True):
        group = question.groups[each.group]
        pairs = paired(group.metric, [each.one, each.other], found)
        if isinstance(pairs, str):
            row |= {"verdict": "not run", "needs": pairs}
            continue
        tested.append(row)
        compared.append(pairs.compared(as_test(group, each)))
        row |= {"effects": list(compared[-1].effects), "seeds": list(pairs.seeds), "files": list(pairs.files)}
    for row, numbers in zip(tested, judge(compared, found.spec.confidence), strict=True):
        row |= as_row(numbers)
    return rows


def as_row(judged: Judged) -> dict[str, Any]:
    numbers = asdict(judged)
    kind = numbers.pop("kind")
    return {"verdict": DIFFERS.get(kind, kind), **numbers}


def as_test(group: Group, each: Comparison) -> ClaimTest:
    """A comparison as a claim that `one` is above `other`."""
    methods = ((each.one[1], each.other[1]),)
    return ClaimTest(metric=group.metric, methods=methods, direction="above", margin=group.margin, cells=(each.one[0],))


def compared_variances(question: Question, family: Sequence[Comparison], found: Results) -> list[dict[str, Any]]:
    """One row for each comparison: the share that the variance of `one` is of that of `other`."""
    rows, tested, ratios = [described(each, found) for each in family], [], []
    for each, row in zip(family, rows, strict=True):
        group = question.groups[each.group]
        sides = [surviving(group.metric, side, found) for side in (each.one, each.other)]
        pairs = paired(group.metric, [each.one, each.other], found)
        row["files"] = [] if isinstance(pairs, str) else list(pairs.files)
        ratio = variance_ratio(*sides)
        if ratio is None:
            row |= {"verdict": "not run", "needs": "five runs or more of each side that did not collapse, and a spread"}
            continue
        tested.append((row, group.margin, [len(side) for side in sides]))
        ratios.append(ratio)
    adjusted = holm([ratio.p for ratio in ratios])
    for (row, margin, counts), ratio, p in zip(tested, ratios, adjusted, strict=True):
        row |= judged_variances(ratio, p, len(ratios), margin, found.spec.confidence) | {"n": min(counts)}
    return rows


def surviving(metric: str, side: Side, found: Results) -> list[float]:
    """The measure of the runs that did not collapse: a single collapse would decide a variance."""
    values = measured(MEASURES[metric], *side, found) or {}
    fallen = collapses(side, found)
    return [value for seed, (value, _) in values.items() if not fallen.get(seed)]


def judged_variances(ratio: VarianceRatio, p: float, size: int, margin: float, confidence: float) -> dict[str, Any]:
    """A verdict on two variances, by the rule of means: here the bound is that on the factor between them."""
    low, high = ratio.interval(confidence)
    bound = ratio.bound(confidence)
    verdict = "no effect" if bound <= margin else "cannot tell"
    if p < 1 - confidence:
        verdict = "above" if ratio.log_ratio > 0 else "below"
    numbers = {"effect": math.exp(ratio.log_ratio), "low": low, "high": high, "p": p, "bound": bound}
    return {"verdict": verdict, **numbers, "detectable": ratio.detectable((1 - confidence) / size)}


def described(each: Comparison, found: Results) -> dict[str, Any]:
    """The two sides of a comparison, and the size of their policies."""
    (cell, method), (other, reference) = each.one, each.other
    scales = [found.spec.tasks[of.task].scale[of.regime] for of in (cell, other)]
    return {
        "one": {**cell.model_dump(), "method": method},
        "other": {**other.model_dump(), "method": reference},
        "scale": " and ".join(dict.fromkeys(scales)),
    }


def reached(metric: str, side: Side, found: Results) -> dict[str, Any]:
    """What the runs of an arm reached: mean with interval, median and each seed, and how many have collapsed."""
    cell, method = side
    values = measured(MEASURES[metric], cell, method, found) or {}
    row: dict[str, Any] = {"metric": metric, **cell.model_dump(), "method": method, "n": len(values)}
    row |= {"mean": None, "low": None, "high": None, "median": None}
    row["by_seed"] = {str(seed): value for seed, (value, _) in values.items()}
    if values:
        alone = list(row["by_seed"].values())
        noise = math.fsum(error for _, error in values.values()) / len(values)
        interval = cut(t_interval(alone, found.spec.confidence, noise), metric, 0.0)
        row |= {"mean": interval.mean, "low": interval.low, "high": interval.high}
        row["median"] = float(pd.Series(alone).median())
    known = collapses(side, found)
    return row | {"collapsed": sum(known.values()), "of": len(known)}


def collapses(side: Side, found: Results) -> dict[int, bool]:
    """Whether the run of each seed has collapsed, where that is known."""
    cell, method = side
    finals = found.finals.get((cell.task, cell.benchmark, cell.regime, method))
    if finals is None or "collapsed" not in finals:
        return {}
    known = finals.dropna(subset=["collapsed"])
    return {int(seed): bool(fallen) for seed, fallen in zip(known["seed"], known["collapsed"], strict=True)}
