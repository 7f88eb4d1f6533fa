"""What a redrawn figure is made from and consists of, and the words that all captions share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from smoothgates.methods.method import Method
from smoothgates.report.style import Look, gate_colours, look
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.report import ReportSpec

Cell = tuple[str, str]
"""Task and regime."""


@dataclass(frozen=True)
class Head:
    """Which figure of which paper."""

    id: str
    """Name of its files, and its place on the page."""
    paper: str
    """Number on arXiv."""
    where: str
    title: str
    original: str
    """What the paper draws: policy, axes, and what of it is unknown."""


@dataclass(frozen=True)
class PaperData:
    """What the figures draw from. docs/metrics.md has the columns of the tables."""

    curves: pd.DataFrame
    """Metrics of every update."""
    learning: pd.DataFrame
    """Scores of the checkpoints on the way; may be empty."""
    runs: pd.DataFrame
    """One row per run and benchmark."""
    gates: pd.DataFrame
    """f, f′ and φ of each gate over the ratio."""
    methods: dict[str, Method]
    scale: dict[Cell, str]
    """Size of the policy in words."""
    starts: dict[Cell, str]
    """The control that the runs start from."""
    look: Look
    gate_colours: dict[str, str]

    @cached_property
    def updates(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        """The rows of `curves` of each task, regime and method."""
        return dict(iter(self.curves.groupby(["task", "regime", "method"], sort=False)))


def paper_data(spec: ReportSpec, analysed: AnalyseSpec, frames: dict[str, pd.DataFrame]) -> PaperData:
    """Put together what a study has. `frames`: the tables of `PaperData`, by name."""
    looks = look(list(spec.order), spec.reference)
    used_by = {name: spec.methods[name].gate for name in spec.order}
    return PaperData(
        **frames,
        methods=spec.methods,
        scale={(task, regime): words for task, own in analysed.tasks.items() for regime, words in own.scale.items()},
        starts={(task, regime): start for task, own in analysed.tasks.items() for regime, start in own.starts.items()},
        look=looks,
        gate_colours=gate_colours(list(frames["gates"]["gate"].unique()), used_by, looks),
    )


@dataclass(frozen=True)
class Drawn:
    """A figure that the study has the data for."""

    head: Head
    caption: str
    table: pd.DataFrame
    """Everything that is drawn, as numbers."""
    call: tuple
    """The function that draws it, and its arguments."""

    def save_numbers(self, path: Path) -> None:
        """Write what it draws as CSV."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.table.to_csv(path, index=False, float_format="%.8g")


@dataclass(frozen=True)
class NotDrawn:
    """A figure that the study lacks data for."""

    head: Head
    needs: str


def label(name: str, method: Method) -> str:
    """A method with its temperatures, if it has any.

    >>> label("erf_5", Method(gate="erf", tau=(5, 6)))
    'erf_5, τ (5, 6)'
    """
    return name + (", τ ({:g}, {:g})".format(*method.tau) if method.tau else "")


def caption(head: Head, shows: str, cells: dict[Cell, list[str]], absent: set[str], data: PaperData) -> str:
    """What is drawn, on which policy, and what the paper draws.

    `cells`: the methods drawn, by task and regime. `absent`: methods of the figure without runs there.
    """
    places = ", ".join(dict.fromkeys(f"{task} {regime}" for task, regime in cells))
    scale = " and ".join(dict.fromkeys(data.scale[cell] for cell in cells))
    ends = data.runs.drop_duplicates(["task", "regime", "method", "seed"])
    ends = ends[[row in cells for row in zip(ends["task"], ends["regime"], strict=True)]]
    seeds = ends["seed"].nunique()
    words = f"{shows} Here: {places}; a policy of {scale}; {seeds} seed{'s' if seeds != 1 else ''}."
    if absent:
        words += f" Without runs here: {', '.join(sorted(absent))}."
    shown = {(*cell, method) for cell, methods in cells.items() for method in methods}
    broken = ends[ends["status"] == "diverged"].groupby(["task", "regime", "method"], sort=False).size().to_dict()
    if lost := [f"{' '.join(arm)} ({count})" for arm, count in broken.items() if arm in shown]:
        words += f" Runs that diverged, drawn up to there: {', '.join(lost)}."
    return f"{words} In the paper: {head.original}"


def cells_with(
    methods: Sequence[str], one_of: Sequence[str], tasks: Sequence[str], most: int, runs: pd.DataFrame
) -> dict[Cell, list[str]]:
    """The methods that each regime has, for at most `most` regimes of a task: the first with the most of `methods`.

    A regime counts if it has one of `one_of`, and another one of `methods`.
    """
    found: dict[Cell, list[str]] = {}
    for task in tasks:
        own = {}
        for regime, block in runs[runs["task"] == task].groupby("regime", sort=False):
            there = set(block["method"])
            if there.intersection(one_of) and len(there.intersection(methods)) > 1:
                own[task, str(regime)] = [method for method in methods if method in there]
        fullest = max(map(len, own.values()), default=0)
        found |= dict([item for item in own.items() if len(item[1]) == fullest][:most])
    return found


def wanting(methods: Sequence[str], one_of: Sequence[str], tasks: Sequence[str]) -> str:
    """What `cells_with` found nothing for."""
    others = [method for method in methods if method not in one_of]
    return f"runs of {' or '.join(one_of)} and of {' or '.join(others)} in one regime of {' or '.join(tasks)}"
