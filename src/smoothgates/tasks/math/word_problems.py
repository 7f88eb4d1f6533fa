"""Three-step word problems that a policy with 106k parameters learns to solve in seconds.

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

OBJECTS = ["pens", "cups", "keys", "nuts", "caps", "shells"]


def generate(rng: Random) -> Iterator[Example]:
    """Yield problems without end: a in 2..20, b and c in 2..5, d in 1..9, without negative intermediate results."""
    while True:
        name, objects = rng.choice(FIRST_NAMES), rng.choice(OBJECTS)
        a, b, c, d = rng.randint(2, 20), rng.randint(2, 5), rng.randint(2, 5), rng.randint(1, 9)
        template = rng.choice((_buy_then_lose, _lose_then_buy, _pack_find_give))
        yield from _problem(template, name, objects, a, b, c, d)


def every() -> Iterator[Example]:
    """Yield each problem once, about 780,000."""
    numbers = product(range(2, 21), range(2, 6), range(2, 6), range(1, 10))
    templates = (_buy_then_lose, _lose_then_buy, _pack_find_give)
    for template, name, objects, chosen in product(templates, FIRST_NAMES, OBJECTS, [*numbers]):
        yield from _problem(template, name, objects, *chosen)


def _problem(template: Callable, *drawn: str | int) -> Iterator[Example]:
    """Yield one problem, or none if an intermediate result is negative."""
    question, steps = template(*drawn)
    if not any("=-" in step for step in steps):
        answer = steps[-1].split("=")[1]
        solution = ",".join(steps) + rf"\boxed{{{answer}}}"
        yield Example(question, question, (answer,), {"solution": solution})


def careful(example: Example) -> Demonstration:
    """Return every step, then the answer."""
    return ((example.extra["solution"], True),)


def hasty(example: Example, rng: Random) -> Demonstration:
    """Return only an answer, off by −6 to 6: right one time in thirteen."""
    return ((rf"\boxed{{{max(int(example.answers[0]) + rng.randint(-6, 6), 0)}}}", True),)


WORD_PROBLEMS = Generator(generate, careful, hasty, every=every)


def _buy_then_lose(name, objects, a, b, c, d) -> tuple[str, list[str]]:
    question = f"{name} has {a} {objects}, buys {b} bags of {c} and loses {d}. How many now?"
    return question, [f"{b}*{c}={b * c}", f"{a}+{b * c}={a + b * c}", f"{a + b * c}-{d}={a + b * c - d}"]


def _lose_then_buy(name, objects, a, b, c, d) -> tuple[str, list[str]]:
    question = f"{name} has {a} {objects}, loses {d} and buys {b} bags of {c}. How many now?"
    return question, [f"{a}-{d}={a - d}", f"{b}*{c}={b * c}", f"{a - d}+{b * c}={a - d + b * c}"]


def _pack_find_give(name, objects, a, b, c, d) -> tuple[str, list[str]]:
    question = f"{name} packs {b} boxes of {c} {objects}, finds {a} and gives away {d}. How many now?"
    return question, [f"{b}*{c}={b * c}", f"{b * c}+{a}={b * c + a}", f"{b * c + a}-{d}={b * c + a - d}"]
