"""Rewards of the puzzles. Only the answer part of a completion is judged.

An answer must state the role of each person once: `(1) Zoey is a knave`, `Zoey is a knave`, `**Zoey**: Knave`. Each
word for a role must belong to such a statement. An answer that names both roles, repeats itself, names strangers, or
contains "Zoey is not a knight" or "all are knaves" is unparsable. Reading takes time linear in the text.
"""

import re
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from smoothgates.errors import BadInput
from smoothgates.tasks.logic.english import KNIGHTS_AND_KNAVES, with_article
from smoothgates.tasks.tags import ANSWER, BOXED, THINK, hedged, last_block, once_in_order
from smoothgates.tasks.task import Example, Judge, Reason, Verdict, each

Assignment = dict[str, str]
"""Roles by name."""

HEDGES = {
    *("if", "iff", "or", "nor", "not", "either", "neither", "unless", "whether", "suppose", "supposing", "assume"),
    *("assuming", "maybe", "perhaps", "possibly", "alternatively", "versa", "reverse", "swapped", "opposite", "false"),
    *("untrue", "wrong", "incorrect", "impossible"),
}
"""Words that make statements about each person no answer."""

REPORTED = {
    *("said", "says", "say", "saying", "told", "tells", "claims", "claimed", "states", "stated", "statement", "noted"),
    *("remarked", "commented", "asserted", "heard", "expressed", "declared", "mentioned", "according", "who", "what"),
}
"""Words that show a repetition of the puzzle, like a question mark."""

_UNSAID = re.compile(r"\?|≠|!=|\\neq?\b")
"""Signs of a question or a negation."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_GOLD_LINE = re.compile(r"(?:\(\d+\) *)?(.*\S) is an? (\S+?)\.?")
# ASCII only: `str.lower` and `casefold` turn some look-alikes (such as the Kelvin sign) into letters.
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def logic_rl(completion: str, example: Example, truncated: bool) -> Verdict:
    """Return Logic-RL's reward: format +1 or −1; answer +2 right, −1.5 wrong, −2 unreadable. Sums: 3, −0.5, −1 or −3.

    Without the format the answer is not read. Source: kk.py of Unakar/Logic-RL, also used by AR-Lopti.

    >>> example = Example("", "", ("(1) Zoey is a knave\\n(2) Oliver is a knight",))
    >>> thought = "<think>Zoey is a knight</think>"
    >>> logic_rl(thought + "<answer>(1) Zoey is a knave\\n(2) Oliver is a knight</answer>", example, False).components
    {'format': 1.0, 'answer': 2.0}
    >>> logic_rl(thought + "<answer>(1) Zoey is a knave\\n(2) Oliver is a knave</answer>", example, False).reward
    -0.5
    >>> logic_rl("<answer>(1) Zoey is a knave\\n(2) Oliver is a knight</answer>", example, False).reward
    -3.0
    """
    formatted = once_in_order(completion, THINK + ANSWER)
    part = last_block(completion, *ANSWER) if formatted else None
    reason, extracted = decide(part, example, truncated)
    components = {"format": 1.0 if formatted else -1.0, "answer": {"correct": 2.0, "wrong": -1.5}.get(reason, -2.0)}
    return Verdict(sum(components.values()), components, extracted, reason)


def answer(completion: str, example: Example, truncated: bool) -> Verdict:
    """Return 1 if the answer part is right, else 0."""
    return _zero_one(answer_part(completion), example, truncated)


def boxed(completion: str, example: Example, truncated: bool) -> Verdict:
    r"""Return 1 if the last \boxed{} is right, else 0."""
    return _zero_one(_last(completion, BOXED), example, truncated)


REWARDS: dict[str, Judge] = {"logic_rl": each(logic_rl), "answer": each(answer), "boxed": each(boxed)}


def answer_part(completion: str) -> str | None:
    r"""Return the part of a completion with the answer, after </think>: an <answer> block, else \boxed{}, else the text
    after the last "CONCLUSION".

    "###" ends a conclusion: it begins the sections of K-and-K's prompt, and models continue with the next section.

    >>> answer_part("<think><answer>no</answer></think> CONCLUSION: no. Conclusion: yes ### Reason: no")
    ': yes '
    >>> answer_part(r"Ann T T; \boxed{Ann knight, Pam knave}"), answer_part(r"\boxed{a} or \boxed{b}")
    ('Ann knight, Pam knave', '')
    """
    said = completion.rpartition("</think>")[2]
    for tags in (ANSWER, BOXED):
        if (block := _last(said, tags)) is not None:
            return block
    _, marker, conclusion = said.translate(_LOWER).rpartition("conclusion")
    return conclusion.partition("###")[0] if marker else None


def _last(text: str, tags: tuple[str, str]) -> str | None:
    """Return the last block; empty if it is listed with another."""
    return "" if hedged(text, *tags) else last_block(text, *tags)


def decide(part: str | None, example: Example, truncated: bool) -> tuple[Reason, str | None]:
    """Return whether an answer part is right, and the roles that it states."""
    gold = read_gold(example.answers[0])
    found = None if part is None else read_answer(part, gold, _roles(gold, example))
    extracted = found and ", ".join(f"{name} is {with_article(found[name])}" for name in gold)
    if truncated:
        return "truncated", extracted
    return "unparsable" if found is None else "correct" if found == gold else "wrong", extracted


def read_answer(part: str, gold: Assignment, roles: set[str]) -> Assignment | None:
    """Return the roles that an answer states; None unless each word for a role states that of another person in `gold`.

    >>> gold, roles = {"zoey": "knave", "oliver": "knight"}, {"knight", "knave"}
    >>> read_answer("**Zoey** is a knight; 2. OLIVER is a knave.", gold, roles)
    {'zoey': 'knight', 'oliver': 'knave'}
    >>> read_answer("Zoey is a knight or a knave, Oliver is a knight", gold, roles)
    """
    words = _WORD.findall(part.translate(_LOWER))
    mentions = [i for i, word in enumerate(words) if word in roles or word.removesuffix("s") in roles]
    if len(mentions) != len(gold) or _UNSAID.search(part) or not (HEDGES | REPORTED).isdisjoint(words):
        return None
    found = {}
    for start, i in zip([0, *(i + 1 for i in mentions)], mentions, strict=False):
        end = i
        for links in ({"a", "an", "the"}, {"is"}):
            end -= end > start and words[end - 1] in links
        found[_name_before(words, start, end, gold)] = words[i]
    return found if found.keys() == gold.keys() and roles.issuperset(found.values()) else None


@lru_cache(maxsize=4096)
def read_gold(block: str) -> Assignment:
    """Return the roles of a gold, in lower case. Raises BadInput for a line unlike `(1) Zoey is a knave`."""
    lines = [_GOLD_LINE.fullmatch(line.strip().translate(_LOWER)) for line in block.strip().splitlines()]
    gold = {" ".join(_WORD.findall(line[1])): line[2] for line in lines if line}
    if not gold or len(gold) != len(lines):
        raise BadInput(f"answer: expected a line like '(1) Zoey is a knave' for each person, got {block[:200]!r}")
    return gold


def _roles(gold: Assignment, example: Example) -> set[str]:
    """Return all words for a role, from the answer and from the puzzle."""
    named = zip(("truth_teller", "liar"), KNIGHTS_AND_KNAVES, strict=True)
    return {*gold.values(), *(str(example.extra.get(key, default)).translate(_LOWER) for key, default in named)}


def _name_before(words: list[str], start: int, end: int, gold: Assignment) -> str | None:
    """Return the longest name in `gold` that ends before word `end` and begins at word `start` or later, or None."""
    longest = max(name.count(" ") + 1 for name in gold)
    for begin in range(max(start, end - longest), end):
        if (name := " ".join(words[begin:end])) in gold:
            return name
    return None


def _zero_one(part: str | None, example: Example, truncated: bool) -> Verdict:
    reason, extracted = decide(part, example, truncated)
    reward = float(reason == "correct")
    return Verdict(reward, {"answer": reward}, extracted, reason)
