"""Read the atoms of a formula: numbers, names, brackets, functions, matrices."""

import re

from smoothgates.tasks.math.verifier.formula.cursor import Cursor
from smoothgates.tasks.math.verifier.formula.errors import Unreadable
from smoothgates.tasks.math.verifier.formula.nodes import Node, letter, number
from smoothgates.tasks.math.verifier.formula.tokens import Token
from smoothgates.tasks.math.verifier.formula.vocabulary import ACCENTS, CALLABLE, CLOSERS, FUNCTIONS, GREEK, MANY

_VARIABLE = r"\\?[A-Za-z]+(?:_\{?\w+\}?)?"
_ABOVE = re.compile(rf"(?:d|\\partial)(?:\^\{{?\w\}}?)?(?:{_VARIABLE})?")
_BELOW = re.compile(rf"(?:d|\\partial){_VARIABLE}(?:\^\{{?\w\}}?)?")
"""Numerator and denominator of a derivative, dy/dx."""


class AtomReader(Cursor):
    """Reads one atom at a time. `reader.py` builds terms and statements from atoms."""

    def atom(self) -> Node:
        token = self.next()
        text = token.text
        if token.kind == "number":
            if text.isdigit() and self.take("_"):
                if not (base := self.raw_group()).isdigit():
                    raise Unreadable("a base that is no number")
                return ("base", text, base)
            return number(text)
        if token.kind == "letters":
            return self.letters(text)
        if token.kind == "word":
            raise Unreadable(f"the word {text!r} within a formula")
        if text in ("(", "[", r"\langle", r"\{"):
            return self.bracketed(text)
        if text == "|":
            return self.absolute()
        if text in (r"\lfloor", r"\lceil"):
            node = self.sum()
            self.expect({r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}[text])
            return ("fn", text[2:], node)
        return self.command(text)

    def letters(self, run: str) -> Node:
        if len(run) >= 4 and not re.search(r"[A-Z]", run[1:]) and len(set(run)) > 2 and self.peek() not in ("_", "^"):
            raise Unreadable(f"the word {run!r} within a formula")
        if len(run) == 1:
            return self.named(run)
        self.at -= 1
        self.tokens[self.at : self.at + 1] = [Token("letters", letter, i == 0) for i, letter in enumerate(run)]
        if self.peek(len(run)) in ("^", "_", "(", "'", "!"):
            return self.named(self.next().text)
        node = self.named(self.next().text)
        for _ in run[1:]:
            node = ("mul", node, self.named(self.next().text))
        return node

    def named(self, name: str) -> Node:
        """Read primes, a subscript and the arguments of a name."""
        while True:
            if self.take("'"):
                name += "'"
            elif self.peek() == "_":
                self.at += 1
                name += "_" + self.raw_group()
            elif name in CALLABLE and [self.peek(i) for i in range(6)] == ["^", "{", "-", "1", "}", "("]:
                self.at += 5
                name += "^-1"
            else:
                break
        if self.peek() == "(" and self.called(name):
            self.at += 1
            inside = self.statements()
            self.expect(")")
            return ("call", name, *(inside[2] if inside[0] == "list" else (inside,)))
        return letter(name)

    def called(self, name: str) -> bool:
        """Return whether the brackets after a name hold its argument rather than a factor."""
        if name[0] in CALLABLE or "'" in name:
            return True
        closing = next((i for i in range(1, 4) if self.peek(i) == ")"), None)
        return name not in ("e", "i") and closing == 2

    def bracketed(self, opening: str) -> Node:
        bars, self.bars = self.bars, 0
        inside = self.statements()
        self.bars = bars
        closing = self.expect(*CLOSERS[opening])
        items = inside[2] if inside[0] == "list" else (inside,)
        if inside[0] == "list" and inside[1] != ",":
            raise Unreadable("words within brackets")
        if opening == r"\{":
            return ("set", items)
        if opening == r"\langle":
            return ("seq", "(", ")", items)
        if len(items) > 1:
            return ("seq", opening, closing, items)
        if (opening, closing) not in (("(", ")"), ("[", "]")):
            raise Unreadable("brackets that do not match")
        return ("group", inside) if inside[0] == "num" else inside

    def absolute(self) -> Node:
        self.bars += 1
        node = self.sum()
        self.expect("|")
        self.bars -= 1
        return ("fn", "abs", node)

    def command(self, text: str) -> Node:
        if text == r"\frac":
            return self.fraction()
        if text in (r"\binom", r"\dbinom", r"\tbinom"):
            return ("fn", "binom", self.group(), self.group())
        if text[1:] in FUNCTIONS:
            return self.function(text)
        if text[1:] in MANY:
            inside = self.bracketed(self.expect("(", r"\{", "["))
            return ("fn", text[1:], *(inside[-1] if inside[0] in ("seq", "set") else (inside,)))
        if text in (r"\infty", r"\infin"):
            return ("inf",)
        if text == r"\emptyset":
            return ("empty",)
        if text == r"\ldots":
            return ("dots",)
        if text == r"\pi":
            return ("const", "pi")
        if text == r"\imath":
            return ("const", "i")
        if text in (r"\sum", r"\prod"):
            return self.big(text[1:])
        if text == r"\begin":
            return self.matrix()
        if text in (r"\angle", r"\triangle", r"\measuredangle"):
            return self.shape(text)
        if text == r"\mathbb":
            return ("all", self.raw_group())
        if text == r"\Delta" and self.token() and self.token().kind == "letters":
            return self.named(f"{text} {self.raw_group()}")
        if text[1:] in ACCENTS:
            return self.named(f"{text[1:]}({self.raw_group()})")
        if text[1:] in GREEK:
            return self.named(text)
        raise Unreadable(f"the command {text!r}")

    def fraction(self) -> Node:
        start, kept = self.at, list(self.tokens)
        above, below = self.raw_group(), self.raw_group()
        after, self.at, self.tokens = self.at, start, kept
        if _ABOVE.fullmatch(above) and _BELOW.fullmatch(below):
            self.at = after
            return ("name", f"{above}/{below}".replace("{", "").replace("}", ""))
        return ("div", self.group(), self.group())

    def function(self, text: str) -> Node:
        name = text[1:]
        if name in ("sqrt", "surd"):
            if self.peek() == "[":
                self.at += 1
                index = self.sum()
                self.expect("]")
                return ("fn", "root", self.group(), index)
            if name == "surd" and (self.token() and self.token().kind == "number"):
                return ("fn", "sqrt", number(self.next().text))
            return ("fn", "sqrt", self.atom() if self.peek() == "(" else self.group())
        base = exponent = None
        for _ in range(2):
            if self.peek() == "_":
                self.at += 1
                base = self.group()
            elif self.peek() == "^" and self.peek(1) != r"\circ":
                self.at += 1
                exponent = self.exponent()
        if self.peek() == "{":
            node = self.raised(self.group())
        elif self.peek() in ("(", "["):
            node = self.atom()
        else:
            node = self.argument()
        found = ("fn", "logb", node, base) if base is not None else ("fn", name, node)
        if exponent == ("neg", number("1")):
            return ("fn", "arc" + name, node)
        return found if exponent is None else ("pow", found, exponent)

    def argument(self) -> Node:
        r"""Read the argument of a function without brackets: factors without signs, up to the next function."""
        if self.take("-"):
            return ("neg", self.argument())
        node = self.power()
        while self.juxtaposed() and self.peek()[1:] not in FUNCTIONS and self.peek() not in ("(", r"\frac", "["):
            node = self.beside(node)
        return node

    def big(self, kind: str) -> Node:
        lower = upper = None
        for _ in range(2):
            if self.take("_"):
                lower = self.group()
            elif self.take("^"):
                upper = self.group()
        if lower is None or upper is None or lower[0] != "rel" or lower[1] != ("eq",) or lower[2][0][0] != "name":
            raise Unreadable(f"a {kind} without bounds")
        body = self.product()
        return (kind, lower[2][0][1], lower[2][1], upper, body)

    def matrix(self) -> Node:
        kind = self.raw_group()
        if kind not in ("matrix", "pmatrix", "bmatrix", "vmatrix", "array", "smallmatrix", "Bmatrix"):
            raise Unreadable(f"the environment {kind}")
        if kind == "array":
            self.raw_group()
        rows, row = [], []
        while True:
            if self.take(r"\end"):
                self.raw_group()
                break
            if self.take(r"\\"):
                rows.append(tuple(row))
                row = []
            elif not self.take("&"):
                row.append(self.operand())
        rows += [tuple(row)] if row else []
        if not rows or len({len(row) for row in rows}) > 1:
            raise Unreadable("rows of different lengths")
        if kind == "vmatrix":
            raise Unreadable("a determinant")
        return ("matrix", tuple(rows))

    def shape(self, text: str) -> Node:
        name = text[1:].removeprefix("measured")
        while (token := self.token()) and token.kind == "letters":
            name += " " + self.next().text
            if self.peek() == "_":
                self.at += 1
                name += "_" + self.raw_group()
        return ("name", re.sub(r"(?<=[A-Za-z0-9]) (?=[A-Z])", "", name))
