"""Which answers are equal and which differ, kind by kind: docs/tasks.md states the rules."""

import hashlib
import json
import os
import subprocess
import sys
import time
from random import Random

import pytest

from smoothgates.tasks.math.verifier.equality import equal
from smoothgates.tasks.math.verifier.limits import CPU_SECONDS
from smoothgates.tasks.math.verifier.verdicts import judge

RIGHT = {
    "infinities equal themselves": [
        (r"\infty", "∞"),
        (r"\infty", r"+\infty"),
        (r"-\infty", "−∞"),
        (r"(-\infty,3)", "(−∞,3)"),
        (r"(0,\infty)", r"(0, +\infty)"),
    ],
    "numbers of any size": [
        (r"\frac{100!}{2^{50} \cdot 50!}", r"\prod_{k=1}^{50} (2k-1)"),
        ("2^{100}", "1267650600228229401496703205376"),
        (r"\frac{1}{2004!}", r"\frac{2005}{2005!}"),
        ("2^{-1100}", r"\frac{1}{2^{1100}}"),
        (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"),
        ("0", r"\sin \pi"),
        ("1/3", "0.333333"),
        ("0.333333", "0.3333333333"),
        (r"\sqrt{2}", "1.414214"),
        (r"1 + i \sqrt{3}", r"2e^{i\pi/3}"),
        (r"\sqrt[3]{-8}", "-2"),
        (r"\frac{1}{2}", r"\sin 30^\circ"),
        ("3", r"\log_2 8"),
        ("1024", "2^10"),
        ("7", r"{1+2}\cdot 3"),
        (r"\frac{e-1}{e}", r"1 - \frac{1}{\mathrm{e}}"),
    ],
    "expressions": [
        (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^n k"),
        ("(-1)^n", r"\cos(\pi n)"),
        (r"\binom{n}{2}", "n(n-1)/2"),
        (r"\frac{4A}{3+3i}e^{it}", r"\frac{(2-2i) A}{3} e^{it}"),
        (r"\lfloor\frac{2 n-1}{5}\rfloor", r"\left\lfloor \frac{2n-1}{5}\right\rfloor"),
        (r"e^{-\frac{t}{R C}}", "e^{-t/RC}"),
        ("x", r"\boldsymbol{x}"),
        ("I(0)e^t", "e^t I(0)"),
        (r"\frac{d+1}{d-1}", r"1 + \frac{2}{d-1}"),
        (r"\frac{d_1}{d_2}", "d_1/d_2"),
    ],
    "other signs for the same": [
        (r"\varnothing", r"\emptyset"),
        ("∅", r"\{\}"),
        ("0.5", "½"),
        ("2.5", "2½"),
        (r"\sqrt{2}", "√2"),
        (r"\sqrt{12}", "√12"),
        ("12", "１２"),
        ("-5", "−5"),
        ("5", r"\textcolor{red}{5}"),
        ("5", r"\underline{5}"),
        ("7/3", "2 1/3"),
        ("7/3", r"2\frac{1}{3}"),
        ("x^2", "x²"),
        (r"\pi r^2", "πr²"),
    ],
    "regions": [
        (r"(-\infty,3)", "x<3"),
        ("(0,12.5)", "0<x<12.5"),
        ("(0,12.5)", r"x \in (0,12.5)"),
        ("x<3", r"(-\infty,3)"),
        (r"x \ne 3", r"(-\infty,3)\cup(3,\infty)"),
        (r"\mathbb{R}\setminus\{3\}", r"(-\infty,3)\cup(3,\infty)"),
        (r"x \le -2 \text{ or } x \ge 3", r"(-\infty,-2]\cup[3,\infty)"),
        (r"x \le 5", r"5 \ge x"),
    ],
    "congruences": [
        (r"n\equiv 1\pmod 4", r"n \equiv 5 \pmod{4}"),
        (r"n\equiv 1\pmod 4", r"1 \pmod 4"),
        (r"n\equiv 1\pmod 4", r"1 (mod 4)"),
        ("9", r"9 \pmod{11}"),
    ],
    "lists and names": [
        ("5,6", r"5 \text{ or } 6"),
        (r"x=3 \text{ or } x=4", "3, 4"),
        ("m=3, n=5", "3,5"),
        ("m=3, n=5", "n=5, m=3"),
        ("1,2", r"\{2,1\}"),
        ("(1,2),(3,4)", "(3,4) and (1,2)"),
        ("1,2,\\ldots,10", r"1, 2, \dots, 10"),
        ("3 \\pm \\sqrt{2}", r"3+\sqrt2, 3-\sqrt2"),
        (r"\{1 \pm \sqrt{5}, -2\}", r"-2, 1-\sqrt{5}, 1+\sqrt{5}"),
        ("x=5", "5"),
        ("5", "x=5"),
        ("5", r"x = 5 \text{ or } x = 5"),
        ("f(x)=x^2", "x^2"),
        ("f^{-1}(x)=2x", "2x"),
        ("(1,2)", "x=1, y=2"),
        ("(1,2)", r"x=1 \text{ and } y=2"),
        ("y=2x+3", "2x-y+3=0"),
    ],
    "labels and words": [
        (r"\angle ABC", r"\angle ABC"),
        ("no", "No"),
        ("A", "(A)"),
        ("C", r"\text{(C)}"),
        (r"\text{Evelyn}", "evelyn"),
    ],
    "units and bases": [
        (r"5\text{ km}", "5"),
        ("5", r"5\text{ km}"),
        (r"5 \text{ km}", r"5\text{ kilometers}"),
        ("1011_2", "1011"),
        ("1011_2", "1011_{2}"),
        (r"10\%", "0.1"),
        (r"10\%", "10"),
        (r"90^\circ", "90"),
        ("4:40 a.m.", r"4:40\text{ a.m.}"),
        ("5", r"\text{5 dollars}"),
        ("5", "5 min"),
        ("1950", r"1950^\circ C"),
        ("1500", r"\text{1,500 miles}"),
        (r"5 \text{ m}^2", r"5\,\mathrm{m}^{2}"),
        ("5", r"5\text{ m}"),
        ("5", r"5 \mathrm{~m} \mathrm{~s}^{-1}"),
        ("5", r"5^\circ\text{C}"),
        ("5", "5 meters"),
        ("5", "€5"),
        (r"15\mbox{ cm}^2", r"15\text{ square centimeters}"),
        (r"864 \mbox{ inches}^2", "864 square inches"),
        (r"90^\circ", r"\frac{\pi}{2}"),
    ],
    "products of vectors": [(r"\mathbf{a}\times\mathbf{b}", r"\vec{a}\times\vec{b}")],
}
WRONG = {
    "what is infinite, undefined or a limit": [
        ("42", r"e^{|\infty|}"),
        ("42", r"|\infty|"),
        ("42", r"\infty"),
        (r"\infty", "42"),
        (r"\infty", r"-\infty"),
        (r"\infty", "1/0"),
        ("0", r"1/\infty"),
        ("(1,2)", r"(1,\infty)"),
        ("(1,2)", r"(1,e^{|\infty|})"),
        (r"\{1,2\}", r"\{1,e^{|\infty|}\}"),
        ("[1,2)", r"[1,|\infty|)"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\e^{|\infty|}\end{pmatrix}"),
        ("x=42", r"x=e^{|\infty|}"),
        ("42", r"42+0\cdot\infty"),
        ("42", r"\frac{42}{1+0\cdot\infty}"),
        ("1", r"\lim_{x\to 0} \frac{\sin x}{x}"),
        ("1", r"0^0"),
        ("1", r"\infty^0"),
    ],
    "small factors": [
        (r"\frac{100!}{2^{50}\cdot 50!}", r"\frac{1}{2^{50}\cdot 50!}"),
        ("1-e^{-50}", "1-e^{-60}"),
        (r"\frac{1}{2004!}", r"\frac{1}{2005!}"),
        ("2^{-1100}", "2^{-1101}"),
        ("42", "42+e^{-e^{9}}"),
        ("0", "e^{-60}"),
        ("0", "e^{-10^{100}}"),
        ("0", r"\exp(-10^{100})"),
        ("42", "42+e^{-1920^{50}}"),
        ("42", r"42+\pi^{-1920^{50}}"),
        ("1", r"\tanh(1000)"),
        ("1", r"\tanh(10^9)"),
        ("1", "2^{10^{-200}}"),
        ("1", r"\cos(10^{-310})"),
        ("1", r"\cos(\cos(\pi/2) + 10^{-310})"),
        (r"\frac{\pi}{2}", r"\arctan(10^{200})"),
        ("3.1415926", "3.1415927"),
        ("0.33", "1/3"),
        ("1/3", "0.33"),
        ("42", "42.0000001"),
        ("10^{10^{10}}", "10^{10}"),
        (r"\pi", r"\pi(1+10^{-300})"),
        (r"\sqrt{2}", r"\sqrt{2+10^{-400}}"),
    ],
    "digits that stand side by side": [
        ("8", "4{2}"),
        ("8", r"\text{4}\textbf{2}"),
        ("4", r"\sqrt42"),
        ("0", "2^10"),
        ("5", r"\displaystyle.5"),
        ("720", "3!!"),
    ],
    "braces print nothing, and group nothing": [("9", r"{1+2}\cdot 3"), ("4", "{-2}^2"), ("10", "{4+1} 2")],
    "congruences": [
        (r"n\equiv 1\pmod 4", "4"),
        (r"n\equiv 1\pmod 4", "1"),
        (r"n\equiv 1\pmod 4", r"n\equiv 1\pmod 5"),
        (r"n\equiv 1\pmod 4", r"n\equiv 3\pmod 4"),
        (r"n\equiv 1\pmod 4", r"n\not\equiv 1\pmod 4"),
        (r"n\equiv 1\pmod 4", r"m\equiv 1\pmod 4"),
        ("4", r"n\equiv 1\pmod 4"),
    ],
    "ellipses": [(r"1,2,\ldots,10", "10"), (r"1,2,\ldots,10", r"2,3,\ldots,10"), ("10", r"1,2,\ldots,10")],
    "primes and derivatives": [
        ("f'(x)", "f(x)"),
        ("f(x)", "f'(x)"),
        ("x'", "x"),
        (r"\frac{dy}{dx}", r"\frac{y}{x}"),
        (r"\frac{d^2 y}{dx^2}", r"\frac{dy}{dx}"),
        ("f(x)", "f(y)"),
    ],
    "labels and words": [
        (r"\angle ABC", r"\angle BAC"),
        ("no", "on"),
        ("A", "a"),
        ("AB", "ab"),
        ("A", r"\text{A'}"),
        (r"\text{odd}", r"\text{ddo}"),
        (r"\text{Evelyn}", "Evely"),
        ("C", r"C \text{ is false}"),
    ],
    "names": [
        ("m=3, n=5", "5,3"),
        ("m=3, n=5", "m=5, n=3"),
        ("x=1", "y=1"),
        ("7=11a+c", "11a+c"),
        ("a^2+b=0", "0"),
        (r"I(0)", "0"),
    ],
    "or and and": [
        (r"3 \text{ or } 4", r"3 \text{ and } 4"),
        (r"x>1 \text{ or } x<3", r"x>1 \text{ and } x<3"),
        (r"3 \lor 4", r"3 \land 4"),
    ],
    "products of vectors": [
        (r"\mathbf{a}\times\mathbf{b}", r"\mathbf{a}\cdot\mathbf{b}"),
        (r"\vec{a}\times\vec{b}", r"\vec{b}\times\vec{a}"),
    ],
    "bases": [("1011_2", "1011_3"), ("1011_2", "11"), ("1", "1_{x}")],
    "golds that are less than a sentence": [("$f(x)=ax+b$, where $b$ is an integer with $f(a)=0$", "0")],
    "units": [
        (r"5\text{ km}", r"5 \text{ mm}"),
        (r"5 \text{ AM}", r"5\text{ PM}"),
        ("4:40 a.m.", "4:40 p.m."),
        (r"5 \text{ thousand}", r"5 \text{ million}"),
        (r"5\text{ cm}^2", r"5\text{ cm}^3"),
        (r"5\%", r"5\text{ cm}"),
        ("5", r"5\text{ is wrong}"),
        ("5", r"5 \text{ not } 6"),
        ("5", r"\text{not }5"),
        ("5", r"5 \text{ perhaps 6}"),
        (r"5\text{ MW}", r"5\text{ mW}"),
        (r"5\text{ m}", r"5\text{ s}"),
        (r"5\text{ cubic inches}", r"5\text{ inches}^2"),
        ("90", r"\frac{\pi}{2}"),
        (r"25^\circ\text{C}", r"25^\circ\text{F}"),
        (r"5\text{ ms}", r"5\text{ m}"),
        ("5", r"5 \text{ = 6}"),
        ("5", r"5\text{ pi}"),
        ("5", r"5\mathrm{pi}"),
        ("5", r"5\text{ minus one}"),
        ("5", r"5\text{ squared}"),
        ("5", r"5\text{ times two}"),
        ("5", r"5\text{ point five}"),
        ("5", r"5\text{ i + j}"),
        ("5", r"5\text{ degrees below zero}"),
        ("5", r"5\text{x}"),
        ("5", "5 abcd"),
    ],
    "sets and what is in them": [(r"\emptyset", r"\{\emptyset\}"), (r"\emptyset", r"\{\{\}\}"), ("2", r"x\in 2")],
    "lists and decimal commas": [("3,4", "3.4"), ("2500,7500", "2500.7500")],
    "relations in front": [
        (r"\neq 42", "42"),
        ("42", r"\neq 42"),
        ("42", "> 42"),
        ("42", "≠42"),
        ("x=3", r"x \ne 3"),
        ("x>5", r"x\ge 5"),
        ("x>5", "x<5"),
    ],
    "separators": [
        ("4", r"x=3\lor x=4"),
        ("6", r"5\text{ or }6"),
        ("5", r"5\text{ or }6"),
        ("5", r"5 \vee 6"),
        ("6", "5;6"),
        ("5", r"5 \text{ or }"),
        ("5", r"5 \lor"),
        ("6", "5 | 6"),
        ("6", r"5\quad 6"),
        ("6", r"5\\6"),
        ("6", r"5\ 6"),
        ("6", r"5 \text{ but } 6"),
        ("5", r"5 \text{ (or 6)}"),
        ("42", r"42 \pm 1"),
        ("42", r"\pm 42"),
    ],
    "brackets and order": [("(1,2)", "(2,1)"), ("(1,2)", "[1,2]"), ("[1,2)", "[1,2]"), ("[2,3]", r"\{2,3\}")],
    "functions that agree in places": [
        ("x", "|x|"),
        (r"\lfloor x \rfloor", "x"),
        (r"\lfloor\sqrt{n-1}\rfloor", r"\lfloor\sqrt{n-3}\rfloor"),
        ("0", r"\lfloor \frac{1}{1+x^2}\rfloor"),
        ("2x", "2"),
        ("x+1000", "|x+1000|"),
        ("x", r"\max(x, -1000)"),
        ("x", r"x + \prod_{k=1}^{97} \sin(\pi k x)"),
    ],
}


@pytest.mark.parametrize("kind", RIGHT)
def test_the_same_is_the_same(kind):
    assert [(gold, answer) for gold, answer in RIGHT[kind] if judge([gold], answer) != "correct"] == []


@pytest.mark.parametrize("kind", WRONG)
def test_what_differs_differs(kind):
    pairs = WRONG[kind]
    assert [pair for pair in pairs if judge([pair[0]], pair[1]) not in ("wrong", "unparsable")] == []


def test_the_two_ways_to_a_verdict_agree():
    """With worker processes and without."""
    pairs = [pair for kind in (*RIGHT.values(), *WRONG.values()) for pair in kind]
    assert equal([((gold,), answer) for gold, answer in pairs]) == [judge([gold], answer) for gold, answer in pairs]


# --- the same every time --------------------------------------------------------------------------------------------

DIGEST = """
import hashlib, json, random, sys
from smoothgates.tasks.math.verifier.verdicts import judge
pairs, seed = json.load(sys.stdin), int(sys.argv[1])
order = list(range(len(pairs)))
random.Random(seed).shuffle(order)
found = {i: judge([pairs[i][0]], pairs[i][1]) for i in order}
print(hashlib.sha256(json.dumps([found[i] for i in range(len(pairs))]).encode()).hexdigest())
"""


def test_hard_pairs_get_the_same_verdicts_in_any_order_process_and_hash_seed():
    pairs = hard_pairs()
    assert len(pairs) == 2000
    verdicts = [judge([gold], answer) for gold, answer in pairs]
    assert {"correct", "wrong", "timeout"} <= set(verdicts)
    ours = hashlib.sha256(json.dumps(verdicts).encode()).hexdigest()
    for seed in range(4):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(seed)],
            input=json.dumps(pairs),
            env={**os.environ, "PYTHONHASHSEED": str(seed * 7 + 1)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert done.stdout.strip() == ours


def hard_pairs() -> list[tuple[str, str]]:
    """Pairs of the golds and answers above, and some that take long."""
    cases = [pair for kind in (*RIGHT.values(), *WRONG.values()) for pair in kind]
    golds, answers = ([pair[i] for pair in cases] for i in (0, 1))
    costly = [
        ("42", r"\sum_{k=1}^{900}\sum_{j=1}^{900}\frac{1}{k^2+j}"),
        (r"\sqrt{2}", ",".join(rf"\sqrt{{{i}}}+\sqrt{{2}}" for i in range(150))),
        ("1", r"\prod_{k=1}^{1000} (k^{50}+1)"),
        (r"\sin 1", r"\sin(\sin(\sin(\sin(\sin(\sin(1))))))"),
    ]
    rng = Random(0)
    drawn = [(rng.choice(golds), rng.choice(answers)) for _ in range(2000 - len(cases) - len(costly))]
    return [*cases, *costly, *drawn]


def test_work_is_counted_and_not_timed():
    """The budget decides before the limit on CPU time, so that the verdict is the same on any machine."""
    began = time.process_time()
    assert judge(["42"], r"\sum_{k=1}^{900}\sum_{j=1}^{900}\frac{1}{k^2+j}") == "timeout"
    assert time.process_time() - began < CPU_SECONDS
