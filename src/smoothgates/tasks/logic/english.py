"""Puzzles in the English of the public sets (K-and-K/knights-and-knaves, Logic-RL).

>>> in_english(["->", ["lying", 0], ["telling-truth", 1]], ["Zoey", "Oliver"])
'If Zoey is a knave then Oliver is a knight'
>>> print(answer_block(["Zoey", "Oliver"], (False, True)))
(1) Zoey is a knave
(2) Oliver is a knight
"""

from collections.abc import Sequence

from smoothgates.tasks.logic.solver import Statement

Roles = tuple[str, str]
"""Names of a truth-teller and of a liar."""

KNIGHTS_AND_KNAVES: Roles = ("knight", "knave")

SAYINGS = (
    '{name} said, "{statement}."',
    '{name} stated, "{statement}".',
    '{name} noted, "{statement}".',
    '{name} remarked, "{statement}".',
    '{name} commented, "{statement}".',
    '{name} asserted: "{statement}".',
    '{name} was heard saying, "{statement}".',
    "{name} said that {statement}.",
    "{name} told you that {statement}.",
    "{name} expressed that {statement}.",
    '"{statement}," {name} claimed.',
    '"{statement}," {name} declared.',
    '"{statement}," {name} mentioned.',
    '"{statement}" - {name}.',
    'As {name} put it, "{statement}".',
    'According to {name}, "{statement}".',
    'In {name}\'s words: "{statement}".',
    'In a statement by {name}: "{statement}".',
)
"""The forms in which the public sets report a statement."""

_CONNECTED = {"and": "{} and {}", "or": "{} or {}", "->": "If {} then {}", "<=>": "{} if and only if {}"}


def in_english(statement: Statement, names: Sequence[str], roles: Roles = KNIGHTS_AND_KNAVES) -> str:
    """Return a statement in English. `not` may only precede a role, as in the public sets."""
    operator, *operands = statement
    if operator in _CONNECTED:
        return _CONNECTED[operator].format(*(in_english(operand, names, roles) for operand in operands))
    if operator == "not":
        return in_english(operands[0], names, roles).replace(" is ", " is not ")
    return f"{names[operands[0]]} is {with_article(roles[operator == 'lying'])}"


def question(names: Sequence[str], sentences: Sequence[str], roles: Roles = KNIGHTS_AND_KNAVES) -> str:
    """Return the text of a puzzle, from the sentences that report what was said."""
    teller, liar = roles
    return (
        f"A very special island is inhabited only by {teller}s and {liar}s. {teller.capitalize()}s always tell the "
        f"truth, and {liar}s always lie. You meet {len(names)} inhabitants: {', '.join(names[:-1])}, and {names[-1]}. "
        f"{' '.join(sentences)} So who is {with_article(teller)} and who is {with_article(liar)}?"
    )


def answer_block(names: Sequence[str], solution: Sequence[bool], roles: Roles = KNIGHTS_AND_KNAVES) -> str:
    """Return the answer as the public sets write it: one numbered line for each person."""
    return "\n".join(
        f"({i}) {name} is {with_article(roles[not tells_truth])}"
        for i, (name, tells_truth) in enumerate(zip(names, solution, strict=True), start=1)
    )


def with_article(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
