"""The solver finds the public sets' solutions; generated puzzles have one solution and use the sets' English."""

import ast
import itertools
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothgates.io.files import parquet_rows
from smoothgates.tasks.logic import english
from smoothgates.tasks.logic.prompts import PROMPTS
from smoothgates.tasks.logic.puzzles import KINDS, generate_puzzles
from smoothgates.tasks.logic.solver import solve, truth

DATA = Path("../shared/data/logic")
FILES = ("kk_train", "kk_dev", "kk_2ppl_8ppl", "kk_perturbed")


def rows(name):
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").open(encoding="utf-8")]


def roles_of(row):
    return row["meta"].get("truth_teller", "knight"), row["meta"].get("liar", "knave")


def holds(statement, roles):
    """Whether a statement is true under one assignment, by code that shares nothing with the solver."""
    operator, *operands = statement
    if operator == "telling-truth":
        return roles[operands[0]]
    if operator == "lying":
        return not roles[operands[0]]
    values = [holds(operand, roles) for operand in operands]
    return {
        "not": lambda a: not a,
        "and": lambda a, b: a and b,
        "or": lambda a, b: a or b,
        "->": lambda a, b: b if a else True,
        "<=>": lambda a, b: a is b,
    }[operator](*values)


def brute_force(statements):
    everybody = itertools.product((False, True), repeat=len(statements))
    return [r for r in everybody if all(holds(s, r) is tells for s, tells in zip(statements, r, strict=True))]


def statements_of(people):
    who = st.integers(0, people - 1)
    role = st.tuples(st.sampled_from(["telling-truth", "lying"]), who).map(list)
    return st.recursive(
        role,
        lambda inner: (
            st.builds(lambda a: ["not", a], inner)
            | st.builds(lambda c, a, b: [c, a, b], st.sampled_from(["and", "or", "->", "<=>"]), inner, inner)
        ),
        max_leaves=5,
    )


@pytest.mark.parametrize("name", FILES)
def test_the_solver_finds_the_one_solution_of_every_public_row(name):
    for row in rows(name):
        assert solve(row["statements"]) == [tuple(row["solution"])], row["id"]
        assert english.answer_block(row["names"], row["solution"], roles_of(row)) == row["answer"]


@pytest.mark.parametrize("people", [3, 4, 5, 6, 7])
def test_the_solver_finds_the_one_solution_of_every_row_of_logic_rl(people):
    found = list(parquet_rows(DATA / "orig" / f"kk_{people}ppl_train.parquet"))
    assert len(found) == 900
    for row in found:
        assert solve(ast.literal_eval(row["statements"])) == [tuple(row["solution"])]
        assert english.answer_block(row["names"], row["solution"]) == row["solution_text_format"]


@pytest.mark.parametrize("name", FILES)
def test_every_public_question_is_what_its_statements_say_in_our_english(name):
    for row in rows(name):
        roles, rest = roles_of(row), row["question"]
        opening, closing = english.question(row["names"], ["|"], roles).split("|")
        assert rest.startswith(opening)
        rest = rest.removeprefix(opening)
        for speaker, statement in zip(row["names"], row["statements"], strict=True):
            said = english.in_english(statement, row["names"], roles)
            sentences = [saying.format(name=speaker, statement=said) + " " for saying in english.SAYINGS]
            spoken = next(sentence for sentence in sentences if rest.startswith(sentence))
            rest = rest.removeprefix(spoken)
        assert " " + rest == closing


def test_the_prompt_is_that_of_logic_rl_to_the_letter():
    prompt = PROMPTS["logic_rl"]
    for row in parquet_rows(DATA / "orig" / "kk_3ppl_train.parquet"):
        turns = [("system", prompt.system), ("user", prompt.ask(row["quiz"]))]
        chat = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
        assert chat + "<|im_start|>assistant\n" + prompt.prefill == row["prompt"][0]["content"]


@given(st.integers(1, 4).flatmap(lambda n: st.lists(statements_of(n), min_size=n, max_size=n)))
def test_the_solver_agrees_with_brute_force_on_any_statements(statements):
    assert sorted(solve(statements)) == brute_force(statements)


def test_what_is_no_statement_is_an_error():
    for statement in (["perhaps", ["lying", 0]], ["and", ["lying", 0]], ["not", ["lying", 0], ["lying", 1]]):
        with pytest.raises(ValueError, match="not a statement"):
            truth(statement, 2)
    with pytest.raises(IndexError):
        truth(["lying", 2], 2)


@pytest.mark.parametrize("people", range(2, 9))
def test_each_generated_puzzle_has_exactly_its_solution_by_brute_force(people):
    puzzles = list(itertools.islice(generate_puzzles(Random(people), people), 200))
    for puzzle in puzzles:
        assert brute_force(puzzle.extra["statements"]) == [tuple(puzzle.extra["solution"])]
        assert len(set(puzzle.extra["names"])) == people
        assert puzzle.answers == (english.answer_block(puzzle.extra["names"], puzzle.extra["solution"]),)
    said = [statement for puzzle in puzzles for statement in puzzle.extra["statements"]]
    kinds = [{"telling-truth": "role", "lying": "role"}.get(operator, operator) for operator, *_ in said]
    assert all(kinds.count(kind) > len(kinds) / 20 for kind in KINDS)


def test_puzzles_depend_on_their_seed_alone():
    first, again, other = (list(itertools.islice(generate_puzzles(Random(seed), 4), 20)) for seed in (1, 1, 2))
    assert first == again
    assert not {p.id for p in first} & {p.id for p in other}


def test_generated_puzzles_do_not_repeat():
    assert len({puzzle.id for puzzle in itertools.islice(generate_puzzles(Random(0), 5), 2000)}) == 2000
