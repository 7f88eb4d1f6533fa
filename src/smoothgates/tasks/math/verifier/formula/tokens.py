"""Tokens of a formula in plain LaTeX."""

import re
from typing import NamedTuple

from smoothgates.tasks.math.verifier.formula.errors import Unreadable
from smoothgates.tasks.math.verifier.formula.vocabulary import FUNCTIONS, MANY, UNITS


class Token(NamedTuple):
    """A token. `kind` is number, letters (a run without spaces), word (text), command or mark."""

    kind: str
    text: str
    space: bool
    """Whether white space precedes it."""


_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:\u02cc\d{3})+(?:\.\d+)?|(?:\d+\.?\d*|\.\d+)(?:\\overline\{\d{1,20}\})?"
    r"(?:[eE][-+]?\d{1,4}(?![\w]))?)"
    r"|(?P<text>\\(?:text|mathrm|mbox|textrm|textbf|textit|textnormal|operatorname|mathbf|boldsymbol|textsf)\*?\s*\{)"
    r"|(?P<command>\\(?:[a-zA-Z]+|[{}%$&#_|\\]))"
    r"|(?P<letters>[a-zA-Z]+)"
    r"|(?P<mark>[-+*/^_=<>(){}\[\]|!,;:&'])",
    re.ASCII,
)
_SPELT = ("infty", "pi", *sorted({*FUNCTIONS, *MANY} - {"surd"}))
"""Commands that are also read without a backslash."""
_INLINE = re.compile(r"\s*\(?\s*[A-Za-z]\s*\)?\s*|[^A-Za-z]*|\s*(?:sin|cos|tan|log|ln|exp|lcm|gcd)\s*")
_UNIT = re.compile(r"\\(?:text|mathrm|mbox|textrm)\s*\{\s*[mgsNJWVAKLTC]\s*")
"""An upright unit of one letter after a number."""


def tokens(text: str) -> list[Token]:
    r"""Return the tokens of a plain text. Raises Unreadable at the first character that belongs to none.

    >>> [token.text for token in tokens(r"12x^{2} \le 5\text{ cm}")]
    ['12', 'x', '^', '{', '2', '}', '\\le', '5', 'cm']
    """
    found: list[Token] = []
    at, space = 0, False
    while at < len(text):
        if text[at].isspace():
            at, space = at + 1, True
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"no formula has {text[at]!r}")
        kind, at = match.lastgroup, match.end()
        if kind == "text":
            at, content = _braced(text, at)
            if found and _measured(found[-1]) and _UNIT.fullmatch(match[0] + content):
                found.append(Token("word", content.strip(), space))
            else:
                found += _texts(match[0], content, space)
        elif kind == "letters" and not (match[0] in UNITS and found and found[-1].kind == "number"):
            found += _letters(match[0], space)
        else:
            found.append(Token(kind, match[0], space))
        space = False
    return found


def _measured(token: Token) -> bool:
    """Return whether a unit may follow this token."""
    return token.kind in ("number", "word") or token.text in (")", "}")


def _braced(text: str, start: int) -> tuple[int, str]:
    depth, at = 1, start
    while at < len(text) and depth:
        depth += (text[at] == "{") - (text[at] == "}")
        at += 1
    if depth:
        raise Unreadable("a brace is never closed")
    return at, text[start : at - 1]


def _texts(command: str, content: str, space: bool) -> list[Token]:
    """Read the content of \\text{}: formulas as formulas, the rest as words."""
    if content.strip(" ()") in ("mod", "modulo"):
        return [Token("command", r"\mod", space)]
    bold = command.startswith((r"\mathbf", r"\boldsymbol"))
    if bold and re.fullmatch(r"\s*[A-Za-z]\s*", content):
        return [Token("command", r"\mathbf", space), *_letters(content.strip(), False)]
    if bold or _INLINE.fullmatch(content) or "\\" in content:
        inner = tokens(content)
        return [Token("mark", "{", space), *inner, Token("mark", "}", False)] if inner else []
    if amount := re.fullmatch(r"\s*(-?\d[\d.,]*)\s+([A-Za-z][A-Za-z /.]*)", content):
        return [*tokens(re.sub(r",(?=\d{3}\b)", "\u02cc", amount[1])), Token("word", amount[2].strip(), True)]
    return [Token("word", content.strip(), space)]


def _letters(run: str, space: bool) -> list[Token]:
    if run == "mod":
        return [Token("command", r"\mod", space)]
    if run in _SPELT:
        return [Token("command", "\\" + run, space)]
    if found := re.fullmatch("(or|and)([A-Z])", run):
        return [Token("letters", found[1], space), Token("letters", found[2], False)]
    for function in _SPELT[1:]:
        if len(function) > 2 and run.startswith(function) and len(run) == len(function) + 1:
            return [Token("command", "\\" + function, space), Token("letters", run[-1], False)]
    return [Token("letters", run, space)]
