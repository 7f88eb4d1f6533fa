"""Find all assignments of roles that agree with what everybody says.

A statement is a nested list, as in the public sets: `telling-truth i`, `lying i`, `not`, `and`, `or`, `->`, `<=>`.
Assignment a of n people makes person i a truth-teller if bit i of a is set. A statement's truth under all 2ⁿ
assignments is one integer, its truth table: bit a says whether it holds under assignment a.

>>> solve([["not", ["telling-truth", 1]], ["<=>", ["telling-truth", 1], ["lying", 0]]])
[(False, True)]
"""

from collections.abc import Sequence
from functools import cache

Statement = Sequence
"""`[operator, operand, ...]`; the operands of `telling-truth` and `lying` are people, counted from 0."""


@cache
def truth_tellers(people: int) -> tuple[int, ...]:
    """Return the truth table of 'person i tells the truth' for each person.

    >>> [f"{table:04b}" for table in truth_tellers(2)]
    ['1010', '1100']
    """
    return tuple(sum(1 << a for a in range(1 << people) if a >> i & 1) for i in range(people))


def truth(statement: Statement, people: int) -> int:
    """Return the truth table of a statement; `->` is material implication.

    Raises ValueError for an unknown operator, IndexError for an unknown person.
    """
    operator, *operands = statement
    everywhere = (1 << (1 << people)) - 1
    if operator == "telling-truth":
        return truth_tellers(people)[operands[0]]
    if operator == "lying":
        return everywhere ^ truth_tellers(people)[operands[0]]
    tables = [truth(operand, people) for operand in operands]
    match operator, tables:
        case "not", [a]:
            return everywhere ^ a
        case "and", [a, b]:
            return a & b
        case "or", [a, b]:
            return a | b
        case "->", [a, b]:
            return everywhere ^ a | b
        case "<=>", [a, b]:
            return everywhere ^ a ^ b
    raise ValueError(f"not a statement: {statement!r}")


def solve(statements: Sequence[Statement]) -> list[tuple[bool, ...]]:
    """Return all assignments in which person i tells the truth exactly if statement i is true."""
    people = len(statements)
    fits = (1 << (1 << people)) - 1
    for tells_truth, statement in zip(truth_tellers(people), statements, strict=True):
        fits &= ~(tells_truth ^ truth(statement, people))
    solutions = []
    while fits:
        assignment = (fits & -fits).bit_length() - 1
        solutions.append(tuple(bool(assignment >> i & 1) for i in range(people)))
        fits &= fits - 1
    return solutions
