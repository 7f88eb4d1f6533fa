"""The style of all figures. A method has one colour everywhere; colours suit print and colour-blind readers."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

START = "fork" if sys.platform == "linux" else "spawn"
"""Start method of drawing processes. Fork is fast, but system libraries of macOS do not support it."""
MARKERS = "osD^vP*Xh<>p"
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
"""Lines differ by these too, so that they are told apart in grey."""
INK, SOFT, FAINT, PAPER = "#1b1f24", "#5b6570", "#9aa3ad", "#ffffff"
PALETTE = (
    "#0173b2", "#c77000", "#029e73", "#b8408f", "#8a63d2", "#7a8a00", "#2a91b8", "#b04a4a", "#e0507a", "#5f7f8f",
)  # fmt: skip
"""Colours with a contrast of 3 : 1 or more both on white and on the page's dark background. Grey is for controls."""
THEMED = {
    INK: "--ink",
    "#262626": "--ink",  # seaborn's ticks
    SOFT: "--soft",
    "#6b7480": "--soft",
    "#e6e9ed": "--grid",
    PAPER: "--paper",
}
"""Colours of the figures that are another one on a dark page → the page's CSS variable for them."""


@dataclass(frozen=True)
class Look:
    """Colour and marker of each method; the reference is black."""

    colour: dict[str, str]
    marker: dict[str, str]


def look(methods: list[str], reference: str) -> Look:
    """Assign colours and markers in the order of `methods`, so that a method has the same ones in every figure."""
    others = [method for method in methods if method != reference]
    colour = {reference: INK} | {m: PALETTE[i % len(PALETTE)] for i, m in enumerate(others)}
    return Look(colour, {m: MARKERS[i % len(MARKERS)] for i, m in enumerate([reference, *others])})


def gate_colours(gates: list[str], used_by: dict[str, str], look: Look) -> dict[str, str]:
    """Colour of each gate: that of the method of its name, else of the first method that uses it, else a new one.

    `used_by`: the gate of each method of the study.
    """
    colour = {gate: look.colour[method] for method, gate in reversed(used_by.items())}
    colour |= {method: look.colour[method] for method, gate in used_by.items() if method == gate}
    rest = [gate for gate in gates if gate not in colour]
    return colour | dict(zip(rest, sns.husl_palette(max(len(rest), 1), l=0.55).as_hex(), strict=False))


def themed(text: str) -> str:
    """Let the page choose the colours that depend on its background. For inline SVG and for CSS values.

    >>> themed("fill: #1b1f24; stroke: #0173b2")
    'fill: var(--ink); stroke: #0173b2'
    """
    for colour, variable in THEMED.items():
        text = text.replace(colour, f"var({variable})")
    return text


def shades(count: int) -> list[str]:
    """Colours of one quantity's values, from the lowest to the highest: from light to dark."""
    return list(sns.color_palette("flare", count).as_hex())


def set_theme() -> None:
    sns.set_theme(
        context="paper",
        style="ticks",
        rc={
            "svg.fonttype": "none",  # keep text as text: smaller, searchable, in the page's font
            "svg.hashsalt": "smoothgates",  # the same figure always gives the same bytes
            "pdf.fonttype": 42,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e6e9ed",
            "grid.linewidth": 0.7,
            "axes.edgecolor": "#6b7480",
            "axes.labelcolor": INK,
            "text.color": INK,
            "figure.constrained_layout.use": True,
        },
    )


def draw_all(wanted: dict[str, tuple], folder: Path) -> dict[str, str]:
    """Draw and save figures, given as name → (function, arguments …). Returns the inline SVG of each, by name.

    Two processes draw at the same time, as drawing takes most of the report's time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, mp_context=get_context(START), initializer=set_theme) as pool:
        drawing = {name: pool.submit(_draw, folder, name, *call) for name, call in wanted.items()}
        return {name: done.result() for name, done in drawing.items()}


def _draw(folder: Path, name: str, function: Callable[..., Figure], *arguments) -> str:
    return save(function(*arguments), folder, name)


def save(figure: Figure, folder: Path, name: str) -> str:
    """Save as SVG and PDF. Returns the SVG without its XML header, for use inline in the page."""
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.set_layout_engine("none")  # already laid out; a second layout would double the time
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    text = (folder / f"{name}.svg").read_text(encoding="utf-8")
    return text[text.index("<svg") :]
