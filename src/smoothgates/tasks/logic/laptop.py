"""Puzzles of two people that a policy with 106k parameters learns to solve in seconds.

A person makes one of 42 statements. The two statements, in any order, are the pattern of a puzzle: 416 of 903 patterns
have exactly one solution. Training and held-out puzzles are split by pattern, so a held-out puzzle combines two
statements that no training puzzle combines, under any names and in any order.

>>> from random import Random
>>> example = next(generate(Random(5)))
>>> print(example.question, careful(example)[0][0], sep="\\n")
Ann says: Pam is a knave or I am a knight. Pam says: we are not the same. Who is what?
 Ann T T Pam T F; Ann T T Pam F T; Ann F F Pam T T \\boxed{Ann knave, Pam knight}
"""

from collections.abc import Iterator, Sequence
from itertools import permutations, product
from random import Random

from smoothgates.tasks.first_names import FIRST_NAMES
from smoothgates.tasks.logic.english import KNIGHTS_AND_KNAVES, answer_block
from smoothgates.tasks.logic.solver import Statement, solve, truth
from smoothgates.tasks.task import Demonstration, Example, Generator

ASSIGNMENTS = [(True, True), (True, False), (False, True), (False, False)]
"""Whether each person tells the truth, in the order in which a careful answer tries the assignments."""

_CONNECTED = {"and": "{} and {}", "or": "{} or {}", "->": "if {} then {}", "<=>": "{} iff {}"}


def forms(speaker: int) -> list[tuple[str, Statement]]:
    """Return all that one person may say: in English, with `{other}` for the other's name, and as a statement."""
    me, other = (
        [(f"{subject} a knight", ["telling-truth", who]), (f"{subject} a knave", ["lying", who])]
        for subject, who in (("I am", speaker), ("{other} is", 1 - speaker))
    )
    negated = [(text.replace(" a ", " not a "), ["not", statement]) for text, statement in me + other]
    connected = [
        (english.format(a, b), [connective, left, right])
        for connective, english in _CONNECTED.items()
        for (a, left), (b, right) in [*product(me, other), *product(other, me)]
    ]
    same = ["<=>", me[0][1], other[0][1]]
    return [*me, *other, *negated, *connected, ("we are the same", same), ("we are not the same", ["not", same])]


def generate(rng: Random) -> Iterator[Example]:
    """Yield puzzles without end. `extra` has names, statements, solution and the pattern: the two forms, sorted."""
    said = [forms(0), forms(1)]
    while True:
        chosen = [rng.randrange(len(said[0])) for _ in said]
        sentences, statements = zip(*(said[i][form] for i, form in enumerate(chosen)), strict=True)
        solutions = solve(statements)
        if len(solutions) == 1:
            yield _puzzle(chosen, sentences, statements, solutions[0], rng.sample(FIRST_NAMES, 2))


def every() -> Iterator[Example]:
    """Yield each puzzle once, about 200,000."""
    said = [forms(0), forms(1)]
    for chosen in product(range(len(said[0])), repeat=2):
        sentences, statements = zip(*(said[i][form] for i, form in enumerate(chosen)), strict=True)
        solutions = solve(statements)
        if len(solutions) == 1:
            for names in permutations(FIRST_NAMES, 2):
                yield _puzzle(chosen, sentences, statements, solutions[0], list(names))


def _puzzle(
    chosen: Sequence[int], sentences: Sequence[str], statements: Sequence, roles: tuple, names: list
) -> Example:
    first, second = (f"{names[i]} says: {sentences[i].format(other=names[1 - i])}." for i in (0, 1))
    question = f"{first} {second} Who is what?"
    return Example(
        id=question,
        question=question,
        answers=(answer_block(names, roles),),
        extra={"names": names, "statements": list(statements), "solution": list(roles), "forms": sorted(chosen)},
    )


def careful(example: Example) -> Demonstration:
    """Try the assignments in order, up to the one that fits: each person with their role and the truth of their
    statement. `Pam T F`: if Pam were a knight, her statement would be false, so the assignment does not fit.

    Each token of this form needs one deduction only, which suits a small policy. After 400 steps of supervised training
    it solved 0.84 of held-out puzzles; when it had to name the first person refuted instead, 0.33 (one seed each).
    """
    names, statements = example.extra["names"], example.extra["statements"]
    tables = [truth(statement, 2) for statement in statements]
    tries = []
    for assignment in ASSIGNMENTS:
        index = sum(tells_truth << i for i, tells_truth in enumerate(assignment))
        holds = tuple(bool(table >> index & 1) for table in tables)
        tries.append(
            "".join(f" {n} {'FT'[role]} {'FT'[said]}" for n, role, said in zip(names, assignment, holds, strict=True))
        )
        if holds == assignment:
            break
    return ((f"{';'.join(tries)} {_boxed(names, assignment)}", True),)


def hasty(example: Example, rng: Random) -> Demonstration:
    """Guess one of the four assignments: right one time in four."""
    return ((f" {_boxed(example.extra['names'], rng.choice(ASSIGNMENTS))}", True),)


def pattern(example: Example) -> str:
    """Return the two forms, without who says which."""
    return "logic2:{}:{}".format(*example.extra["forms"])


LAPTOP = Generator(generate, careful, hasty, pattern, every)


def _boxed(names: list[str], assignment: tuple[bool, bool]) -> str:
    roles = [KNIGHTS_AND_KNAVES[not tells_truth] for tells_truth in assignment]
    return rf"\boxed{{{names[0]} {roles[0]}, {names[1]} {roles[1]}}}"
