"""The page: one self-contained HTML file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from smoothgates.methods.method import Method
from smoothgates.report.explore import as_script, library
from smoothgates.report.findings import Finding
from smoothgates.report.regimes import describe_regime
from smoothgates.report.style import Look, themed
from smoothgates.specs.control import CONTROL
from smoothgates.specs.report import ReportSpec

TEMPLATE = "page.html.j2"
PLACED = ("scores", "differences", "learning", "routing", "gates")
"""Figures that the template places, besides those of training metrics. Others come after the gates."""
CONTENTS = {
    "claims": "Claims", "cells": "Cell by cell", "compare": "Compare", "questions": "Questions", "limits": "Limits",
    "regimes": "What was run", "results": "Scores", "samples": "Samples", "curves": "Curves", "experts": "Experts",
    "stability": "Stability", "paper-figures": "Papers' figures", "catalogue": "Gates", "further": "Further figures",
    "data": "Data", "provenance": "Provenance", "rerun": "Rerun",
}  # fmt: skip
"""Titles in the contents, by the section's anchor."""
FEW = 4
"""So many regimes are all described on the first screen; of more, those that its answer and figure name."""


@dataclass(frozen=True)
class Page:
    """What the page shows."""

    spec: ReportSpec
    figures: dict[str, str]
    """Inline SVG, by name."""
    tables: dict[str, pd.DataFrame]
    """Cells as text, by name."""
    look: Look
    findings: list[Finding]
    warnings: list[str]
    """What the study cannot establish, whatever its results."""
    gaps: list[dict]
    """Files that are damaged or missing, each with the scores that are missing because of it."""
    catalogue: list[dict]
    """One row per gate."""
    runs: pd.DataFrame
    """One row per run and benchmark."""
    costs: pd.DataFrame
    """One row per stage."""
    origins: list[tuple[str, list[str]]]
    """Facts that should be the same for all results, each with every value found."""
    made_up: list[str]
    """Public data sets that made-up rows replace."""
    claims: dict[str, Any]
    """Counts and verdicts on the papers' claims, for verdicts.html.j2."""
    papers: list[dict[str, Any]]
    """Figures of the papers, for paper_figures.html.j2."""
    questions: dict[str, Any]
    """Answers to the questions beyond them, for questions.html.j2."""
    answer: list[str]
    """The answer of the first screen, in sentences."""
    cells: list[tuple[str, str, str]]
    """Task, benchmark and regime of the cells in the first figure."""
    sizes: dict[str, dict[str, str]]
    """The policy's size in words, by task and regime."""
    read: list[dict[str, Any]]
    """Completions to read, by cell."""
    view: dict[str, Any]
    """The data of the compare view."""
    generated: bool
    """Whether some of the data are generated."""

    def html(self) -> str:
        """The page as one HTML text. Everything but the figures is escaped."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        trained = self.runs[self.runs["regime"] != CONTROL]
        controls = self.runs[self.runs["regime"] == CONTROL].groupby(["task", "method"], sort=False)["score"].mean()
        regimes = list(trained["regime"].unique())
        placed = {*PLACED, *(each["figure"] for each in self.questions["answered"])}
        placed |= {drawn.head.id for paper in self.papers for drawn in paper["drawn"]}
        further = [name for name in self.figures if name not in placed and not name.startswith("curves_")]
        absent = {
            anchor for anchor, there in (("experts", "routing" in self.figures), ("further", further)) if not there
        }
        said = set(re.findall(r"\w+", " ".join(self.answer))) | {regime for _, _, regime in self.cells}
        first = dict(zip(("task", "benchmark", "regime"), self.cells[0], strict=True)) if self.cells else None
        arms = trained.groupby(["task", "regime", "method"], sort=False)["seed"].unique()
        return environment.get_template(TEMPLATE).render(
            spec=self.spec,
            figures={name: Markup(inline(svg, name)) for name, svg in self.figures.items()},
            grids={name: folded(table.fillna("–")) for name, table in self.tables.items()},
            colour={name: themed(colour) for name, colour in self.look.colour.items()},
            answer=self.answer,
            described={name: describe_regime(self.spec.regimes[name], name in self.spec.moe) for name in regimes},
            first_regimes=[name for name in regimes if name in said or len(regimes) <= FEW],
            sizes=self.sizes,
            contents=[(anchor, title) for anchor, title in CONTENTS.items() if anchor not in absent],
            further=further,
            findings=self.findings,
            warnings=self.warnings,
            gaps=self.gaps,
            catalogue=self.catalogue,
            methods=[(name, describe(self.spec.methods[name])) for name in self.spec.order],
            inferred=any(m.weights is not None and m.weights.kind == "grpo_sg" for m in self.spec.methods.values()),
            seeds=sorted(self.runs["seed"].unique().tolist()),
            regimes=regimes,
            tasks=list(trained["task"].unique()),
            controls={task: own.droplevel(0).to_dict() for task, own in controls.groupby(level=0, sort=False)},
            several_benchmarks=trained["benchmark"].nunique() > 1,
            problems=int(trained["problems"].max()),
            samples=int(trained["samples"].max()),
            run_count=len(trained.drop_duplicates(["task", "regime", "method", "seed"])),
            arms=[(*key, sorted(map(int, seeds))) for key, seeds in arms.items()],
            costs=self.costs.to_dict("records"),
            origins=self.origins,
            made_up=self.made_up,
            claims=self.claims,
            papers=self.papers,
            questions=self.questions,
            read=self.read,
            generated=self.generated,
            view=Markup(as_script(self.view | {"first": first})),
            library=Markup(library()),
        )


def folded(table: pd.DataFrame) -> dict[str, Any]:
    """A table in parts: those of each task, and in them the rows of each regime. These two are then no columns."""
    tasks: dict[str, dict[str, list[dict]]] = {}
    for row in table.to_dict("records"):
        key = str(row["task"]) if "method" in table else ""
        tasks.setdefault(key, {}).setdefault(str(row.get("regime", "")), []).append(row)
    inner = [column for column in table if "method" not in table or column not in ("task", "regime", "method")]
    columns = [*(["method"] if "method" in table else []), *inner]
    return {"columns": columns, "tasks": [(task, list(regimes.items())) for task, regimes in tasks.items()]}


def inline(svg: str, name: str) -> str:
    """Prepare a figure's SVG for the page: its colours follow the page's, its width is known to CSS, so that all
    figures have the same scale, and its ids differ from those of other figures.

    >>> inline('<svg width="9.5pt"><g id="axes_1"/><path id="m1"/><use xlink:href="#m1"/></svg>', "a")
    '<svg style="--natural: 9.5pt" width="9.5pt"><g/><path id="a-m1"/><use xlink:href="#a-m1"/></svg>'
    """
    width = re.search(r'<svg [^>]*?width="([\d.]+pt)"', svg)[1]
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    return themed(svg.replace("<svg ", f'<svg style="--natural: {width}" ', 1))


def describe(method: Method) -> dict[str, str]:
    """The settings of a method as text, by column of the methods table."""
    if method.clip is not None:
        scale = "ε = {:g} below, {:g} above".format(*method.clip)
    elif method.half_width is not None:
        scale = "half-width {:g}; τ = ({:.3g}, {:.3g})".format(method.half_width[0], *method.scales())
    else:
        scale = "τ = ({:g}, {:g})".format(*method.tau) if method.tau else "–"
    aggregation = (
        method.aggregation if isinstance(method.aggregation, str) else f"constant {method.aggregation.constant}"
    )
    weights = "–"
    if method.weights is not None:
        weights = " ".join(f"{key} {value}" for key, value in method.weights.model_dump().items() if key != "kind")
        weights = f"{method.weights.kind}: {weights}"
    mask = ", ".join(f"{key} {value}" for key, value in method.mask.model_dump().items()) if method.mask else ""
    return {
        "gate": method.gate + (", one-sided" if method.one_sided else "") + (f"; mask: {mask}" if mask else ""),
        "scale": scale,
        "ratio": method.ratio.replace("_", " ") + (", routes replayed" if method.routing_replay else ""),
        "weights": weights,
        "advantage": method.advantage,
        "aggregation": aggregation.replace("_", " "),
    }
