"""The page: one self-contained HTML file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from smoothgates.methods.method import Method
from smoothgates.report.findings import Finding
from smoothgates.report.style import Look
from smoothgates.specs.control import CONTROL
from smoothgates.specs.report import ReportSpec

TEMPLATE = "page.html.j2"


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

    def html(self) -> str:
        """The page as one HTML text. Everything but the figures is escaped."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        trained = self.runs[self.runs["regime"] != CONTROL]
        controls = self.runs[self.runs["regime"] == CONTROL].groupby(["task", "method"], sort=False)["score"].mean()
        return environment.get_template(TEMPLATE).render(
            spec=self.spec,
            figures={name: Markup(sized(svg)) for name, svg in self.figures.items()},
            tables={name: table.fillna("–").to_dict("records") for name, table in self.tables.items()},
            columns={name: list(table.columns) for name, table in self.tables.items()},
            colour=self.look.colour,
            findings=self.findings,
            warnings=self.warnings,
            gaps=self.gaps,
            catalogue=self.catalogue,
            methods=[(name, describe(self.spec.methods[name])) for name in self.spec.order],
            seeds=sorted(self.runs["seed"].unique().tolist()),
            regimes=list(trained["regime"].unique()),
            tasks=list(trained["task"].unique()),
            controls={task: own.droplevel(0).to_dict() for task, own in controls.groupby(level=0, sort=False)},
            problems=int(trained["problems"].max()),
            samples=int(trained["samples"].max()),
            run_count=len(trained.drop_duplicates(["task", "regime", "method", "seed"])),
            costs=self.costs.to_dict("records"),
            origins=self.origins,
            made_up=self.made_up,
            claims=self.claims,
            papers=self.papers,
            questions=self.questions
            | {"answered": [q | {"svg": Markup(sized(q["svg"]))} for q in self.questions["answered"]]},
        )


def sized(svg: str) -> str:
    """Copy an SVG's width to a CSS variable, so that all figures on the page have the same scale.

    >>> sized('<svg width="316.8pt" height="100pt">')
    '<svg style="--natural: 316.8pt" width="316.8pt" height="100pt">'
    """
    width = re.search(r'<svg [^>]*?width="([\d.]+pt)"', svg)[1]
    return svg.replace("<svg ", f'<svg style="--natural: {width}" ', 1)


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
