"""How every figure looks: one colour a method everywhere, readable in print and by the colour-blind."""

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
"""How drawing processes begin: at once by a fork, which macOS's own libraries do not survive."""
MARKERS = "osD^vP*Xh<>p"
INK, FAINT = "#1b1f24", "#9aa3ad"


@dataclass(frozen=True)
class Look:
    """Colour and marker of each method; the reference is black."""

    colour: dict[str, str]
    marker: dict[str, str]


def look(methods: list[str], reference: str) -> Look:
    """Colours in the order of the method table, so that a method keeps its colour in every figure of a study."""
    others = [method for method in methods if method != reference]
    palette = sns.color_palette("colorblind", 10).as_hex()
    palette = [c for c in palette if c != "#949494"]  # grey is for controls
    colour = {reference: INK} | {m: palette[i % len(palette)] for i, m in enumerate(others)}
    return Look(colour, {m: MARKERS[i % len(MARKERS)] for i, m in enumerate([reference, *others])})


def gate_colours(gates: list[str], used_by: dict[str, str], look: Look) -> dict[str, str]:
    """A gate has the colour of the first method that uses it, or of its namesake; unused ones get one each.

    `used_by`: the gate of each method of the study.
    """
    colour = {gate: look.colour[method] for method, gate in reversed(used_by.items())}
    colour |= {method: look.colour[method] for method, gate in used_by.items() if method == gate}
    rest = [gate for gate in gates if gate not in colour]
    return colour | dict(zip(rest, sns.color_palette("husl", max(len(rest), 1)).as_hex(), strict=False))


def set_theme() -> None:
    sns.set_theme(
        context="paper",
        style="ticks",
        rc={
            "svg.fonttype": "none",  # text stays text: smaller, searchable, set in the page's font
            "svg.hashsalt": "smoothgates",  # equal figures give equal bytes
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
    """Draw and save figures, two at a time: name → (function, arguments …). Returns each one's inline SVG.

    Drawing is most of the report's time, and figures do not depend on each other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, mp_context=get_context(START), initializer=set_theme) as pool:
        drawing = {name: pool.submit(_draw, folder, name, *call) for name, call in wanted.items()}
        return {name: done.result() for name, done in drawing.items()}


def _draw(folder: Path, name: str, function: Callable[..., Figure], *arguments) -> str:
    return save(function(*arguments), folder, name)


def save(figure: Figure, folder: Path, name: str) -> str:
    """Save as SVG and PDF; returns the SVG without its XML head, to stand inline in the page."""
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.set_layout_engine("none")  # laid out by now; doing it again would double the time
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    text = (folder / f"{name}.svg").read_text(encoding="utf-8")
    return text[text.index("<svg") :]
