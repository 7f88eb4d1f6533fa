"""The figures of the papers on the page."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from smoothgates.report.page import sized
from smoothgates.report.papers.figure import Drawn, NotDrawn
from smoothgates.report.verdicts import PAPERS


def section(figures: Sequence[Drawn | NotDrawn], svgs: dict[str, str]) -> list[dict[str, Any]]:
    """What paper_figures.html.j2 shows: the figures of each paper, and what the others need. `svgs`: by id."""
    return [
        {
            "paper": paper,
            "title": PAPERS[paper],
            "drawn": [
                {"head": figure.head, "caption": figure.caption, "svg": Markup(sized(svgs[figure.head.id]))}
                for figure in own
                if isinstance(figure, Drawn)
            ],
            "missing": [figure for figure in own if isinstance(figure, NotDrawn)],
        }
        for paper, group in groupby(figures, key=lambda figure: figure.head.paper)
        for own in [list(group)]
    ]
