"""The page: one HTML file that needs nothing beside it."""

import re
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from smoothgates.methods.method import Method
from smoothgates.report.findings import Finding
from smoothgates.report.style import Look
from smoothgates.specs.report import ReportSpec

TEMPLATE = "page.html.j2"


def render(
    spec: ReportSpec,
    figures: dict[str, str],
    tables: dict[str, pd.DataFrame],
    looks: Look,
    findings: list[Finding],
    gaps: list[dict],
    catalogue: list[dict],
    runs: pd.DataFrame,
    costs: pd.DataFrame,
    origins: list[tuple[str, list[str]]],
    made_up: list[str],
) -> str:
    """HTML text. Everything but the figures is escaped. `made_up`: sources whose rows stand in for a data set's."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    trained = runs[runs["regime"] != "control"]
    controls = runs[runs["regime"] == "control"].groupby(["task", "method"], sort=False)["score"].mean()
    return environment.get_template(TEMPLATE).render(
        spec=spec,
        figures={name: Markup(sized(svg)) for name, svg in figures.items()},
        tables={name: table.fillna("–").to_dict("records") for name, table in tables.items()},
        columns={name: list(table.columns) for name, table in tables.items()},
        colour=looks.colour,
        findings=findings,
        gaps=gaps,
        catalogue=catalogue,
        methods=[(name, describe(spec.methods[name])) for name in spec.order],
        seeds=sorted(runs["seed"].unique().tolist()),
        regimes=list(trained["regime"].unique()),
        tasks=list(trained["task"].unique()),
        controls={task: own.droplevel(0).to_dict() for task, own in controls.groupby(level=0, sort=False)},
        problems=int(trained["problems"].max()),
        samples=int(trained["samples"].max()),
        run_count=len(trained.drop_duplicates(["task", "regime", "method", "seed"])),
        costs=costs.to_dict("records"),
        origins=origins,
        made_up=made_up,
    )


def sized(svg: str) -> str:
    """With its width where the style sheet finds it: all figures of a page are drawn to one scale, however few panels.

    >>> sized('<svg width="316.8pt" height="100pt">')
    '<svg style="--natural: 316.8pt" width="316.8pt" height="100pt">'
    """
    width = re.search(r'<svg [^>]*?width="([\d.]+pt)"', svg)[1]
    return svg.replace("<svg ", f'<svg style="--natural: {width}" ', 1)


def describe(method: Method) -> dict[str, str]:
    """A method's row in words."""
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
    return {
        "gate": method.gate,
        "scale": scale,
        "ratio": method.ratio.replace("_", " ") + (", routes replayed" if method.routing_replay else ""),
        "weights": weights,
        "advantage": method.advantage,
        "aggregation": aggregation.replace("_", " "),
    }
