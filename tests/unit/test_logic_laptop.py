"""The laptop study's puzzles are right and short, and held out by what is said, not by who says it."""

import itertools
import re
from random import Random

import pytest

from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.tasks import load_rewards
from smoothgates.tasks.logic.laptop import ASSIGNMENTS, FIRST_NAMES, LAPTOP, forms
from smoothgates.tasks.logic.solver import solve

EXAMPLES = list(itertools.islice(LAPTOP.generate(Random(0)), 5000))
CAREFUL = [LAPTOP.careful(example)[0][0] for example in EXAMPLES]


def boxed(text, example, truncated=False):
    (verdict,) = load_rewards("logic")["boxed"]([(text, example, truncated)])
    return verdict


def understand(said, speaker, other):
    """A statement's meaning, read from its English: a function of the speaker's and the other's being a knight."""
    if said.startswith("we are"):
        return lambda me, him: (me is him) is ("not" not in said)
    connective = re.search(r" (and|or|iff|then) ", said)
    if not connective:
        subject, negation, role = re.fullmatch(r"(\w+) (?:am|is)( not)? a (knight|knave)", said).groups()
        assert subject in ("I", other)
        positive = (role == "knight") is (negation is None)
        return lambda me, him: (me if subject == "I" else him) is positive
    left, right = said.removeprefix("if ").split(connective[0])
    a, b = understand(left, speaker, other), understand(right, speaker, other)
    return {
        "and": lambda me, him: a(me, him) and b(me, him),
        "or": lambda me, him: a(me, him) or b(me, him),
        "then": lambda me, him: not a(me, him) or b(me, him),
        "iff": lambda me, him: a(me, him) is b(me, him),
    }[connective[1]]


def read(question):
    """Both names, and both statements as functions of both roles in the order of the names."""
    first, said, second, reply = re.fullmatch(r"(\w+) says: (.+)\. (\w+) says: (.+)\. Who is what\?", question).groups()
    says, replies = understand(said, first, second), understand(reply, second, first)
    return first, second, says, lambda a, b: replies(b, a)


def test_the_question_has_exactly_the_solution_that_is_the_answer():
    for example in EXAMPLES:
        first, second, says, replies = read(example.question)
        fits = [(a, b) for a, b in ASSIGNMENTS if says(a, b) is a and replies(a, b) is b]
        assert [list(fit) for fit in fits] == [example.extra["solution"]]
        (a, b), role = fits[0], {True: "knight", False: "knave"}
        assert example.answers == (f"(1) {first} is a {role[a]}\n(2) {second} is a {role[b]}",)


def test_a_careful_demonstration_is_true_in_every_step_and_stops_at_the_solution():
    for example, demonstration in zip(EXAMPLES, CAREFUL, strict=True):
        first, second, says, replies = read(example.question)
        tries, _ = demonstration.split(r" \boxed{")
        tried = []
        for line, (a, b) in zip(tries.split(";"), ASSIGNMENTS, strict=False):
            letter = {True: "T", False: "F"}
            assert line == f" {first} {letter[a]} {letter[says(a, b)]} {second} {letter[b]} {letter[replies(a, b)]}"
            tried.append(says(a, b) is a and replies(a, b) is b)
        assert tried == [False] * (len(tried) - 1) + [True]
        assert boxed(demonstration, example).reason == "correct"
        assert boxed(demonstration, example, truncated=True).reward == 0


def test_hasty_demonstrations_guess_among_four():
    rng = Random(0)
    rewards = [boxed(LAPTOP.hasty(example, rng)[0][0], example).reward for example in EXAMPLES]
    assert sum(rewards) / len(rewards) == pytest.approx(0.25, abs=0.03)


def test_there_are_416_patterns_and_names_are_no_part_of_them():
    said = list(itertools.product(*([statement for _, statement in forms(speaker)] for speaker in (0, 1))))
    solvable = [len(solve(pair)) == 1 for pair in said]
    assert (len(said), sum(solvable)) == (42 * 42, 816)
    stream = LAPTOP.generate(Random(1))
    assert len({LAPTOP.pattern(next(stream)) for _ in range(20_000)}) == 416
    without_names = {}
    for example in EXAMPLES:
        first, second = example.extra["names"]
        assert first != second
        text = example.question.replace(first, "A").replace(second, "B")
        assert without_names.setdefault(text, LAPTOP.pattern(example)) == LAPTOP.pattern(example)


def test_the_same_statements_with_the_speakers_exchanged_are_one_pattern():
    patterns_of = {}
    for example in EXAMPLES:
        first, second = example.extra["names"]
        parts = re.fullmatch(r"\w+ says: (.+)\. \w+ says: (.+)\. Who is what\?", example.question).groups()
        anonymous = frozenset(part.replace(first, "you").replace(second, "you") for part in parts)
        patterns_of.setdefault(anonymous, set()).add(LAPTOP.pattern(example))
    assert all(len(patterns) == 1 for patterns in patterns_of.values())


def test_texts_are_short_and_fit_the_vocabulary():
    tokenizer = build_tokenizer([e.question for e in EXAMPLES] + CAREFUL, 112)
    longest = {kind: max(len(tokenizer.encode(text).ids) for text in texts) for kind, texts in
               {"question": [e.question for e in EXAMPLES], "careful": CAREFUL}.items()}  # fmt: skip
    assert longest == {"question": 32, "careful": 35}
    assert {name for example in EXAMPLES for name in example.extra["names"]} == set(FIRST_NAMES)
    for example, demonstration in zip(EXAMPLES, CAREFUL, strict=True):
        assert tokenizer.decode(tokenizer.encode(demonstration).ids) == demonstration
        assert tokenizer.decode(tokenizer.encode(example.question).ids) == example.question
