"""The figures of the papers on the page."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from smoothgates.report.papers.figure import Drawn, NotDrawn
from smoothgates.report.verdicts import PAPERS


def section(figures: Sequence[Drawn | NotDrawn]) -> list[dict[str, Any]]:
    """What paper_figures.html.j2 shows: the figures of each paper, and what the others need."""
    return [
        {
            "paper": paper,
            "title": PAPERS[paper],
            "drawn": [figure for figure in own if isinstance(figure, Drawn)],
            "missing": [figure for figure in own if isinstance(figure, NotDrawn)],
        }
        for paper, group in groupby(figures, key=lambda figure: figure.head.paper)
        for own in [list(group)]
    ]
