"""A position in a sequence of tokens."""

from smoothgates.tasks.math.verifier.formula.errors import Unreadable
from smoothgates.tasks.math.verifier.formula.nodes import Node, letter, number
from smoothgates.tasks.math.verifier.formula.tokens import Token


class Cursor:
    """Tokens and the position of the reader. `bars` counts the open |absolute values|."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.bars = 0

    def peek(self, ahead: int = 0) -> str:
        """Return the text of a token without moving; empty at the end and at words."""
        i = self.at + ahead
        return self.tokens[i].text if i < len(self.tokens) and self.tokens[i].kind != "word" else ""

    def token(self, ahead: int = 0) -> Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def next(self) -> Token:
        if self.at >= len(self.tokens):
            raise Unreadable("the formula ends early")
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, *texts: str) -> str:
        token = self.next()
        if token.text not in texts or token.kind == "word":
            raise Unreadable(f"expected {' or '.join(texts)}, got {token.text!r}")
        return token.text

    def take(self, text: str) -> bool:
        if self.peek() == text:
            self.at += 1
            return True
        return False

    def bare(self) -> None:
        """Remove the braces that open here and belong to no command: LaTeX does not print them."""
        while self.peek() == "{":
            depth, end = 1, self.at
            while depth:
                end += 1
                if end == len(self.tokens):
                    raise Unreadable("a brace is never closed")
                mark = self.tokens[end]
                depth += 0 if mark.kind == "word" else (mark.text == "{") - (mark.text == "}")
            space = self.tokens[self.at].space
            del self.tokens[end], self.tokens[self.at]
            if self.at < len(self.tokens):
                self.tokens[self.at] = self.tokens[self.at]._replace(space=space or self.tokens[self.at].space)

    def group(self) -> Node:
        """Read the argument of a command: the content of braces, or one digit or letter."""
        if self.take("{"):
            node = self.statements()
            self.expect("}")
            return node
        token = self.token()
        if token and token.kind == "number" and token.text.isdigit():
            self.tokens[self.at] = Token("number", token.text[1:], False)
            self.at += len(token.text) == 1
            return number(token.text[0])
        if token and token.kind == "letters" and len(token.text) > 1:
            self.tokens[self.at] = Token("letters", token.text[1:], False)
            return letter(token.text[0])
        return self.atom()

    def raw_group(self) -> str:
        """Read the argument of a command as text."""
        if not self.take("{"):
            token = self.next()
            if token.kind in ("number", "letters") and len(token.text) > 1:
                self.at -= 1
                self.tokens[self.at] = Token(token.kind, token.text[1:], False)
                return token.text[0]
            return token.text
        start, depth = self.at, 1
        while depth:
            text = self.next().text
            depth += (text == "{") - (text == "}")
        return "".join(token.text for token in self.tokens[start : self.at - 1])
