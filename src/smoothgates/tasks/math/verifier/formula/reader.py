"""Read a formula by recursive descent."""

from smoothgates.tasks.math.verifier.formula.atom_reader import AtomReader
from smoothgates.tasks.math.verifier.formula.errors import Unreadable
from smoothgates.tasks.math.verifier.formula.nodes import Node, letter, number, undressed, vector, whole
from smoothgates.tasks.math.verifier.formula.spelling import plain
from smoothgates.tasks.math.verifier.formula.tokens import tokens
from smoothgates.tasks.math.verifier.formula.vocabulary import JOINTS, OPERATIONS, RELATIONS, STOPS, UNITS


def read(text: str) -> Node:
    r"""Return the tree of a text. Raises Unreadable if it is no formula.

    >>> read("1/2")
    ('div', ('num', Fraction(1, 1), None), ('num', Fraction(2, 1), None))
    >>> read(r"x = 3 \text{ or } 4")
    ('list', 'or', (('rel', ('eq',), (('name', 'x'), ('num', Fraction(3, 1), None))), ('num', Fraction(4, 1), None)))
    """
    found = tokens(plain(text))
    while len(found) == 3 and found[0].text == "{" and found[2].text == "}":
        found = found[1:-1]
    if not found:
        raise Unreadable("nothing")
    if len(found) == 1 and found[0].kind in ("letters", "word"):
        return ("word", found[0].text) if len(found[0].text) > 1 else ("name", found[0].text)
    if all(token.kind == "word" or (token.kind == "letters" and len(token.text) > 1) for token in found):
        return ("word", " ".join(token.text for token in found))
    reader = _Reader(found)
    node = reader.statements()
    if reader.at < len(reader.tokens):
        raise Unreadable(f"unexpected text before {reader.tokens[reader.at].text!r}")
    return undressed(node)


class _Reader(AtomReader):
    """Lists of statements, statements and terms, each made of the next."""

    # --- statements ---

    def statements(self) -> Node:
        """Read a statement or a list of statements."""
        items, joints = [], set()
        while True:
            items.append(self.statement())
            joint = self.joint()
            if joint is None:
                break
            joints.add(joint)
            if self.token() is None or self.peek() in ("}", ")", "]", r"\}"):
                if joint != ",":
                    raise Unreadable(f"nothing after {joint}")
                break
        if len(items) == 1 and not joints:
            return items[0]
        if {"and", "or"} <= joints:
            raise Unreadable("both and and or")
        return ("list", max(joints, key=len) if joints - {","} else ",", tuple(items))

    def joint(self) -> str | None:
        """Read what joins two items of a list, such as `,` or `, and`; None if the list ends here."""
        found = None
        while token := self.token():
            word = token.text.strip(" ,.").casefold()
            if token.kind in ("word", "letters") and word in ("and", "or"):
                found = word
            elif token.kind == "word" and not word and token.text.strip() == ",":
                found = found or ","
            elif token.kind != "word" and token.text in JOINTS:
                found = found if found and JOINTS[token.text] == "," else JOINTS[token.text]
            else:
                break
            self.at += 1
        return found

    def statement(self) -> Node:
        """Read a term or a chain of relations, perhaps with a modulus."""
        self.bare()
        signs: list[str] = []
        terms: list[Node | None] = [None if self.peek() in RELATIONS or self.peek() == r"\not" else self.operand()]
        while self.peek() in RELATIONS or self.peek() == r"\not":
            negated = self.take(r"\not")
            sign = RELATIONS[self.expect(*RELATIONS)]
            signs.append("ne" if negated and sign == "eq" else "not " + sign if negated else sign)
            terms.append(self.operand())
        node = terms[0] if not signs else ("rel", tuple(signs), tuple(terms))
        if self.peek() in (r"\mod", r"\pmod") or (self.peek() == "(" and self.peek(1) == r"\mod"):
            bracket = self.take("(")
            self.next()
            node = ("mod", node, self.group() if self.peek() == "{" else self.sum())
            if bracket:
                self.expect(")")
        return node

    def operand(self) -> Node:
        """Read a side of a relation: a term, an operation on sets, or a ratio."""
        node = self.sum()
        while (sign := self.peek()) in OPERATIONS:
            self.at += 1
            node = (OPERATIONS[sign], node, self.sum())
        if self.peek() == ":":
            parts = [node]
            while self.take(":"):
                parts.append(self.sum())
            node = ("ratio", tuple(parts))
        return node

    # --- terms ---

    def sum(self) -> Node:
        node = self.signed()
        while (sign := self.peek()) in ("+", "-", r"\pm", r"\mp"):
            self.at += 1
            other = self.signed()
            if sign == r"\pm":
                node = ("pm", node, other)
            elif sign == r"\mp":
                node = ("pm", node, ("neg", other))
            else:
                node = ("add", node, other if sign == "+" else ("neg", other))
        return self.with_unit(node)

    def signed(self) -> Node:
        self.bare()
        if self.take("-"):
            return ("neg", self.signed())
        if self.take("+"):
            return self.signed()
        if self.take(r"\pm"):
            return ("pm", None, self.signed())
        return self.product()

    def product(self) -> Node:
        node = self.power()
        while True:
            self.bare()
            sign = self.peek()
            if sign in ("*", r"\cdot", r"\times", r"\ast"):
                self.at += 1
                other = self.factor()
                crossed = sign == r"\times" and vector(node) and vector(other)
                node = ("cross", node, other) if crossed else ("mul", node, other)
            elif sign in ("/", r"\div"):
                self.at += 1
                node = ("div", node, self.divisor())
            elif self.juxtaposed():
                node = self.beside(node)
            else:
                return node

    def factor(self) -> Node:
        self.bare()
        return ("neg", self.factor()) if self.take("-") else self.power()

    def divisor(self) -> Node:
        r"""Read a divisor. `1/2x` is x/2, as in sympy and calculators; `1/xy` and `t / R C` divide by the product."""
        node = self.factor()
        if node[0] == "name":
            while self.juxtaposed() and self.token().kind == "letters":
                node = ("mul", node, self.power())
        return node

    def juxtaposed(self) -> bool:
        """Return whether the next token begins a factor multiplied without a sign."""
        token = self.token()
        if token is None or token.kind == "word" or token.text in STOPS:
            return False
        if token.text == "|":
            return self.bars == 0
        if token.kind == "letters":
            return token.text.casefold() not in ("and", "or") and token.text not in UNITS
        return not (token.text == "(" and self.peek(1) == r"\mod")

    def beside(self, node: Node) -> Node:
        """Read a factor multiplied without a sign, or the fraction of a mixed number: `2 1/3`, `2\\frac{1}{3}`."""
        if not whole(node):
            token, before = self.token(), self.tokens[self.at - 1]
            if token.kind == "number" and (node[0] == "num" or before.kind == "letters" or not token.space):
                raise Unreadable("a number right after what it may belong to")
            return ("mul", node, self.power())
        if self.token().kind == "number":
            if not (self.token().space and self.peek(1) == "/"):
                raise Unreadable("two numbers in a row")
            above = self.power()
            self.expect("/")
            below = self.power()
            if not (whole(above) and whole(below)) or above[1] >= below[1]:
                raise Unreadable("no mixed number")
            return ("num", node[1] + above[1] / below[1], None)
        fraction = self.peek() == r"\frac"
        other = self.power()
        if fraction and other[0] == "div" and whole(other[1]) and whole(other[2]) and 0 < other[1][1] < other[2][1]:
            return ("num", node[1] + other[1][1] / other[2][1], None)
        return ("mul", node, other)

    def power(self) -> Node:
        self.bare()
        return self.raised(self.atom())

    def raised(self, node: Node) -> Node:
        """Read the powers, factorials and signs that follow a node."""
        while True:
            if self.peek() == "^" and self.peek(1) == r"\circ":
                self.at += 2
                self.bare()
                node = ("unit", node, "°" + self.next().text) if self.peek() in ("C", "F", "K") else ("deg", node)
            elif self.take("^"):
                node = ("pow", node, self.exponent())
            elif self.peek() == "_" and node[0] == "pow" and node[1][0] == "name":
                self.at += 1
                node = ("pow", letter(f"{node[1][1]}_{self.raw_group()}"), node[2])
            elif self.peek() == "!" and self.peek(1) != "=":
                self.at += 1
                if self.peek() == "!":
                    raise Unreadable("a double factorial")
                node = ("fn", "fact", node)
            elif self.peek() in ("%", r"\%"):
                self.at += 1
                node = ("unit", node, "%")
            elif self.peek() == "'" and node[0] == "num":
                marks = 0
                while self.take("'"):
                    marks += 1
                node = ("unit", node, "'" * marks)
            else:
                return node

    def exponent(self) -> Node:
        if self.take("-"):
            return ("neg", self.exponent())
        token = self.token()
        node = number(self.next().text) if token and token.kind == "number" else self.group()
        return ("pow", node, self.exponent()) if self.take("^") else node

    def with_unit(self, node: Node) -> Node:
        """Read the unit that follows a term, if any."""
        unit = []
        while token := self.token():
            word = token.text.strip(" ,.").casefold()
            if token.kind == "word" and word and word not in ("and", "or") and token.text.strip()[0] != ",":
                unit.append(token.text.strip())
            elif token.kind == "letters" and (token.text in UNITS or (unit and word not in ("and", "or"))):
                unit.append(token.text)
            elif unit and token.text == "^":
                self.at += 1
                unit[-1] += "^" + self.raw_group()
                continue
            elif unit and token.text in ("/", r"\cdot"):
                unit.append("/" if token.text == "/" else " ")
            else:
                break
            self.at += 1
        return ("unit", node, " ".join(unit)) if unit else node
