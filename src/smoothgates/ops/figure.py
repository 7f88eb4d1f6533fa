"""Draw one figure of the papers again, from a finished analysis. Never imports torch."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from smoothgates.errors import BadInput
from smoothgates.io.paths import Paths
from smoothgates.report.gaps import checked_analysis
from smoothgates.report.papers.catalogue import BY_ID
from smoothgates.report.papers.figure import NotDrawn, paper_data
from smoothgates.report.style import set_theme
from smoothgates.study.loader import load_study

SUFFIXES = (".csv", ".pdf", ".png", ".svg")


def run(name: str, study: str, out: Path) -> None:
    """Draw the figure `name` to `out`: its suffix says how. With .csv, write its numbers instead.

    Raises BadInput if there is no such figure, if the study lacks the data, or if its analysis is not up to date.
    """
    if name not in BY_ID:
        raise BadInput(f"{name}: expected one of {', '.join(BY_ID)}")
    if out.suffix not in SUFFIXES:
        raise BadInput(f"{out}: expected a name that ends in one of {', '.join(SUFFIXES)}")
    chosen = load_study(study)
    spec, paths = chosen.report_spec(), Paths(chosen.name)
    files = dict(
        zip(("runs", "learning", "curves", "gates"), map(Path, (*paths.tables, paths.gate_curves)), strict=True)
    )
    checked_analysis(spec, Path(paths.comparisons), files.values())
    frames = {key: pd.read_parquet(path) for key, path in files.items()}
    set_theme()
    figure = BY_ID[name](paper_data(spec, chosen.analyse_spec(), frames))
    if isinstance(figure, NotDrawn):
        raise BadInput(f"{name}: not drawn: needs {figure.needs}")
    if out.suffix == ".csv":
        figure.save_numbers(out)
    else:
        function, *arguments = figure.call
        drawn = function(*arguments)
        drawn.savefig(out, dpi=160)
        plt.close(drawn)
