"""Generate puzzles for any number of people, each with exactly one solution.

>>> from random import Random
>>> example = next(generate_puzzles(Random(0), people=2))
>>> solve(example.extra["statements"]) == [tuple(example.extra["solution"])]
True
"""

import hashlib
from collections.abc import Iterator
from functools import cache, partial
from random import Random

from smoothgates.tasks.logic.english import KNIGHTS_AND_KNAVES, SAYINGS, Roles, answer_block, in_english, question
from smoothgates.tasks.logic.solver import Statement, solve
from smoothgates.tasks.task import Example, Generator

# fmt: off
NAMES = [
    "Abigail", "Aiden", "Alexander", "Amelia", "Aria", "Aurora", "Ava", "Avery", "Benjamin", "Charlotte", "Chloe",
    "Daniel", "David", "Elizabeth", "Ella", "Emily", "Emma", "Ethan", "Evelyn", "Grace", "Harper", "Henry",
    "Isabella", "Jack", "Jackson", "Jacob", "James", "Joseph", "Liam", "Lily", "Logan", "Lucas", "Luke", "Mason",
    "Matthew", "Mia", "Michael", "Noah", "Oliver", "Olivia", "Owen", "Penelope", "Riley", "Samuel", "Scarlett",
    "Sebastian", "Sofia", "Sophia", "Victoria", "William", "Zoey",
]
# fmt: on
"""Names of people in the public sets."""

KINDS = ("role", "not", "and", "or", "->", "<=>")
"""Kinds of statements, equally likely as in the public sets: a role, its negation, or two different roles connected."""


def generate_puzzles(rng: Random, people: int, roles: Roles = KNIGHTS_AND_KNAVES) -> Iterator[Example]:
    """Yield puzzles without end. `extra` has names, statements, solution (who tells the truth), words for the roles."""
    while True:
        statements = [random_statement(rng, people) for _ in range(people)]
        solutions = solve(statements)
        if len(solutions) != 1:
            continue
        names = rng.sample(NAMES, people)
        sentences = [
            rng.choice(SAYINGS).format(name=name, statement=in_english(statement, names, roles))
            for name, statement in zip(names, statements, strict=True)
        ]
        text = question(names, sentences, roles)
        yield Example(
            id=hashlib.sha256(text.encode()).hexdigest()[:16],
            question=text,
            answers=(answer_block(names, solutions[0], roles),),
            extra={
                "names": names,
                "statements": statements,
                "solution": list(solutions[0]),
                "truth_teller": roles[0],
                "liar": roles[1],
            },
        )


def random_statement(rng: Random, people: int) -> Statement:
    kind = rng.choice(KINDS)
    first, second = rng.sample(_roles(people), 2)
    if kind == "role":
        return first
    return ["not", first] if kind == "not" else [kind, first, second]


PUZZLES = {
    f"puzzles{n}": Generator(
        partial(generate_puzzles, people=n), pattern=lambda puzzle: str(puzzle.extra["statements"])
    )
    for n in range(2, 9)
}
"""Generators by number of people. The statements, not the names, decide whether a puzzle is held out."""


@cache
def _roles(people: int) -> list[Statement]:
    """Return all statements about the role of one person."""
    return [[operator, i] for i in range(people) for operator in ("telling-truth", "lying")]
