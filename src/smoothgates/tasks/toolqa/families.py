"""Questions about relations between people that a policy must look up: each question has its own world.

A world has 16 people and 6 relations, drawn anew for each question, so that no answer can be memorised and each hop
needs a search. Training and held-out questions differ in their worlds, not in their texts.

>>> from random import Random
>>> example = next(generate(Random(3)))
>>> example.question, example.answers
('Who is the boss of the doctor of Eve?', ('Ida',))
>>> print(*[text for text, _ in careful(example)], sep="\\n")
<search> doctor of Eve</search>
<information> doctor of Eve is Ben. mother of Eve is Fay.</information>
<search> boss of Ben</search>
<information> boss of Ben is Ida. rival of Ben is Fay.</information>
<answer> Ida</answer>
"""

import hashlib
from collections.abc import Iterator
from random import Random

from smoothgates.tasks.first_names import FIRST_NAMES
from smoothgates.tasks.task import Demonstration, Example, Generator
from smoothgates.tasks.toolqa.environment import INVALID, NOTHING

RELATIONS = ["mother", "friend", "boss", "rival", "teacher", "doctor"]


def holder(world: str, relation: str, person: str) -> str:
    """Return who is the `relation` of `person` in a world; never the person."""
    others = [name for name in FIRST_NAMES if name != person]
    drawn = hashlib.sha256(f"{world}/{relation}/{person}".encode()).digest()
    return others[int.from_bytes(drawn[:8], "big") % len(others)]


def fact(world: str, relation: str, person: str) -> str:
    """Return a fact of a world as a sentence."""
    return f" {relation} of {person} is {holder(world, relation, person)}."


def lookup(example: Example, query: str) -> str:
    """Return what a search finds: the fact asked for and another fact about the same person. Empty if there is none."""
    relation, _, person = query.strip().partition(" of ")
    if relation not in RELATIONS or person not in FIRST_NAMES:
        return ""
    world = example.extra["world"]
    other = RELATIONS[(RELATIONS.index(relation) + 1) % len(RELATIONS)]
    return fact(world, relation, person) + fact(world, other, person)


def generate(rng: Random) -> Iterator[Example]:
    """Yield questions of one or two hops without end."""
    while True:
        world = f"{rng.getrandbits(48):012x}"
        person, relations = rng.choice(FIRST_NAMES), rng.choices(RELATIONS, k=rng.randint(1, 2))
        asked, answer = person, person
        for relation in relations:
            asked, answer = f"the {relation} of {asked}", holder(world, relation, answer)
        extra = {"world": world, "person": person, "relations": relations}
        yield Example(world, f"Who is {asked}?", (answer,), extra)


def careful(example: Example) -> Demonstration:
    """Return one search for each hop, then the answer."""
    return (*_searches(example, len(example.extra["relations"])), (f"<answer> {example.answers[0]}</answer>", True))


def hasty(example: Example, rng: Random) -> Demonstration:
    """Return one search too few, then a guess for one hop, or the person found first for two hops."""
    hops = len(example.extra["relations"]) - 1
    guess = rng.choice(FIRST_NAMES) if hops == 0 else holder(example.extra["world"], *_first_hop(example))
    return (*_searches(example, hops), (f"<answer> {guess}</answer>", True))


def _first_hop(example: Example) -> tuple[str, str]:
    return example.extra["relations"][0], example.extra["person"]


def _searches(example: Example, hops: int) -> Iterator[tuple[str, bool]]:
    person = example.extra["person"]
    for relation in example.extra["relations"][:hops]:
        query = f" {relation} of {person}"
        yield f"<search>{query}</search>", True
        yield f"<information>{lookup(example, query)}</information>", False
        person = holder(example.extra["world"], relation, person)


FAMILIES = Generator(generate, careful, hasty, pattern=lambda example: example.id, replies=(NOTHING, INVALID))
