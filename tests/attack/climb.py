"""Hill-climbing: find strings that match many golds by changing one piece at a time."""

from collections import Counter
from random import Random

from .golds import judged
from .grammar import PIECES

START = (("42",), ("|", r"\infty", "|"), ("e^{", r"|\infty|", "}"), ("x", "=", "1"), (r"\{", "1", ",", "2", r"\}"))


def climb(golds: list[str], rng: Random, steps: int) -> tuple[str, int]:
    """Return the best string and its number of golds. A worse string is sometimes kept, to leave local maxima."""
    often = Counter(golds)
    best, best_won = "", -1
    current, current_won = (), -1
    for step in range(steps):
        if step % (steps // 10 or 1) == 0:
            current = rng.choice(START)
            current_won = wins(often, current)
        changed = change(current, rng)
        won = wins(often, changed)
        if won >= current_won or rng.random() < 0.02:
            current, current_won = changed, won
        if won > best_won:
            best, best_won = "".join(changed), won
    return best, best_won


def wins(often: Counter, pieces: tuple[str, ...]) -> int:
    text = "".join(pieces)
    if not judged(tuple(often), text):
        return 0
    return sum(times for gold, times in often.items() if judged(gold, text))


def change(pieces: tuple[str, ...], rng: Random) -> tuple[str, ...]:
    """Insert, remove, replace or double one piece."""
    at, new = rng.randrange(len(pieces) + 1), rng.choice(PIECES)
    before, after = pieces[:at], pieces[at:]
    return rng.choice(
        [(*before, new, *after), (*before, *after[1:]), (*before, new, *after[1:]), (*before, *before[-1:], *after)]
    )[:30]
