"""Three-step word problems that a 106k-parameter policy can learn to solve in seconds.

>>> from random import Random
>>> example = next(generate(Random(0)))
>>> print(example.question, example.extra["solution"], sep="\\n")
Tom has 20 keys, buys 3 bags of 3 and loses 5. How many now?
3*3=9,20+9=29,29-5=24\\boxed{24}
"""

from collections.abc import Callable, Iterator
from itertools import product
from random import Random

from smoothgates.tasks.first_names import FIRST_NAMES
from smoothgates.tasks.task import Demonstration, Example, Generator

THINGS = ["pens", "cups", "keys", "nuts", "caps", "shells"]


def generate(rng: Random) -> Iterator[Example]:
    """Endless problems: a in 2..20, b and c in 2..5, d in 1..9, never a negative number on the way."""
    while True:
        name, things = rng.choice(FIRST_NAMES), rng.choice(THINGS)
        a, b, c, d = rng.randint(2, 20), rng.randint(2, 5), rng.randint(2, 5), rng.randint(1, 9)
        template = rng.choice((_buy_then_lose, _lose_then_buy, _pack_find_give))
        yield from _problem(template, name, things, a, b, c, d)


def every() -> Iterator[Example]:
    """Each problem once: some 780,000."""
    numbers = product(range(2, 21), range(2, 6), range(2, 6), range(1, 10))
    templates = (_buy_then_lose, _lose_then_buy, _pack_find_give)
    for template, name, things, chosen in product(templates, FIRST_NAMES, THINGS, [*numbers]):
        yield from _problem(template, name, things, *chosen)


def _problem(template: Callable, *drawn: str | int) -> Iterator[Example]:
    """One problem, or none if a number on the way is negative."""
    question, steps = template(*drawn)
    if not any("=-" in step for step in steps):
        answer = steps[-1].split("=")[1]
        solution = ",".join(steps) + rf"\boxed{{{answer}}}"
        yield Example(question, question, (answer,), {"solution": solution})


def careful(example: Example) -> Demonstration:
    """Every step, then the answer."""
    return ((example.extra["solution"], True),)


def hasty(example: Example, rng: Random) -> Demonstration:
    """The answer alone, off by −6 to 6: right one time in thirteen."""
    return ((rf"\boxed{{{max(int(example.answers[0]) + rng.randint(-6, 6), 0)}}}", True),)


WORD_PROBLEMS = Generator(generate, careful, hasty, every=every)


def _buy_then_lose(name, things, a, b, c, d) -> tuple[str, list[str]]:
    question = f"{name} has {a} {things}, buys {b} bags of {c} and loses {d}. How many now?"
    return question, [f"{b}*{c}={b * c}", f"{a}+{b * c}={a + b * c}", f"{a + b * c}-{d}={a + b * c - d}"]


def _lose_then_buy(name, things, a, b, c, d) -> tuple[str, list[str]]:
    question = f"{name} has {a} {things}, loses {d} and buys {b} bags of {c}. How many now?"
    return question, [f"{a}-{d}={a - d}", f"{b}*{c}={b * c}", f"{a - d}+{b * c}={a - d + b * c}"]


def _pack_find_give(name, things, a, b, c, d) -> tuple[str, list[str]]:
    question = f"{name} packs {b} boxes of {c} {things}, finds {a} and gives away {d}. How many now?"
    return question, [f"{b}*{c}={b * c}", f"{b * c}+{a}={b * c + a}", f"{b * c + a}-{d}={b * c + a - d}"]
