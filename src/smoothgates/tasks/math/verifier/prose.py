"""Find an answer in prose: after words that announce it, or in the last formulas and numbers. Linear in the text."""

import json
import re

LONGEST = 20_000
"""Characters to search, counted from the end."""

# --- words that announce an answer ----------------------------------------------------------------------------------

_ANNOUNCEMENT = re.compile(
    r"####"
    r"|^[ \t]{0,9}(?-i:A):"
    r"|\"answer\"\s{0,9}:"
    r"|\banswer\b[^.\n:=$]{0,100}?\bis\b[:\s]{0,9}"
    r"|\banswer\b[*\s]{0,9}[:=][*]{0,2}",
    re.IGNORECASE | re.MULTILINE,
)
_JSON_VALUE = re.compile(r"\s{0,9}(\"(?:[^\"\\]|\\.){0,2000}\"|[^\s,}\]]{1,200})")
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)|<\|")


def announced(text: str) -> str | None:
    """Return the answer after the last words that announce one and have an answer after them, or None.

    >>> announced("Answer: 41 was a guess.\\nAnswer: 42."), announced('{"answer": "$18 each"}'), announced("The answer")
    ('42', '$18', None)
    >>> announced("The final answer is $14{,}916$. I hope it is correct."), announced("A: 5 since 3+2 is 5")
    ('$14{,}916$', '5')
    """
    text = text[-LONGEST:]
    for words in reversed(list(_ANNOUNCEMENT.finditer(text))[-20:]):
        rest = text[words.end() :].lstrip("*: \t\n")
        if words[0].startswith('"'):
            value = _JSON_VALUE.match(text, words.end())
            found = spoken(_unescaped(value[1])) if value else None
        else:
            found = _at_start(rest)
        if found:
            return found
    return None


def _at_start(rest: str) -> str | None:
    """Return the answer in the first sentence of a text."""
    formulas = next(iter(_runs(rest[:2000])), None)
    if rest.startswith(("$$", r"\[")) and formulas and formulas[0] == 0:
        return rest[slice(*formulas)]
    end = _SENTENCE_END.search(rest)
    sentence = rest[: end.start()] if end else rest
    if not _is_prose(sentence):
        return sentence.strip() or None
    if formulas and formulas[0] == 0:
        return rest[slice(*formulas)].strip()
    return spoken(sentence)


def _unescaped(value: str) -> str:
    """Return a JSON value as text, also one that is not escaped correctly, as models often write."""
    try:
        return str(json.loads(value))
    except ValueError:
        return value.strip('"')


# --- formulas and numbers -------------------------------------------------------------------------------------------

_NUMBER = r"(?:\d{1,3}(?:[ ,]\d{3})+(?!\d)|\d+)?(?:[.,]\d+|(?<=\d))"
_AMOUNT = rf"[-+]?(?:\\?[$€£¥₹])?[-+]?{_NUMBER}"
_FORMULA = re.compile(
    r"\$\$[^$]{1,2000}\$\$"
    r"|\$(?:\\\$|[^$]){1,2000}\$"
    r"|\\\((?:(?!\\\().){1,2000}?\\\)"
    r"|\\\[(?:(?!\\\[).){1,2000}?\\\]"
    r"|-?\\[dtc]?frac\{[^{}]{1,50}\}\{[^{}]{1,50}\}"
    r"|[\[(][-\s]{0,3}\d[^()\[\]a-zA-Z$]{0,100}[\])]"
    rf"|(?<![\w.\\^_{{])(?=[-+$\\€£¥₹]{{0,3}}[.\d]){_AMOUNT}(?:\s?[-+*/^:×÷]\s?{_AMOUNT}){{0,20}}",
    re.DOTALL,
)
_PERCENT = re.compile(r"\s?\\?(?:%|(?:percent|percentage|pct)\b)", re.IGNORECASE)
_CONNECTIVE = re.compile(r"\s{0,9}(?:,?\s?\b(?:and|or)\b|[,;])?\s{0,9}")
_MARKUP = re.compile(
    r"\\(?:text\w*|mbox|math\w+|operatorname|begin|end)\s?\{[^{}]{0,200}\}|\\[a-zA-Z]+|<\|[^|]{0,40}\|>?"
)
_SPECIAL_TOKEN = re.compile(r"<\|[^|]{0,40}\|>|<\|\w{0,20}$")
_IN_DOLLARS = re.compile(r"\$[^$]+\$")
_WORD = re.compile(r"[^\W\d_]{3,}")
_MATHEMATICAL = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "sqrt", "max", "min", "gcd", "lcm", "mod", "det"),
    *("arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "frac", "infty", "and", "pct", "percent", "deg", "degrees"),
}


def spoken(text: str) -> str | None:
    """Return the whole text if it is an expression; else its last formulas or numbers, with a list kept whole; else the
    text if it has at most three words; else None.

    >>> spoken("x^2 + 1"), spoken("it is not 10 but 1,000.99€"), spoken("maybe 1 2 3 42?"), spoken("pay $9 or $5 now")
    ('x^2 + 1', '1,000.99', '1 2 3 42', '$9 or $5')
    >>> spoken("Thus $x = 3$ and $y = 4$."), spoken("Paris"), spoken("I do not know yet"), spoken("AZ2K")
    ('$x = 3$ and $y = 4$', 'Paris', None, 'AZ2K')
    """
    text = _SPECIAL_TOKEN.sub(" ", text[-LONGEST:]).strip().strip("* \t\r\n").strip()
    if not _is_prose(text) or _IN_DOLLARS.fullmatch(text):
        return text or None
    runs = list(_runs(text))
    if runs:
        return text[slice(*runs[-1])].strip()
    return text if len(text.split()) <= 3 else None


def _is_prose(text: str) -> bool:
    """Return whether a text contains words, not just an expression."""
    return any(word[0].lower() not in _MATHEMATICAL for word in _WORD.finditer(_MARKUP.sub(" ", text)))


def _runs(text: str):
    """Yield start and end of each stretch of formulas and numbers separated only by connectives."""
    start = end = None
    for formula in _formulas(text):
        if end is not None and _CONNECTIVE.fullmatch(text, end, formula[0]):
            end = formula[1]
            continue
        if end is not None:
            yield start, end
        start, end = formula
    if end is not None:
        yield start, end


def _formulas(text: str):
    """Yield start and end of each formula or number. Two dollar signs around prose are two sums of money."""
    at = 0
    while found := _FORMULA.search(text, at):
        money = found[0].startswith("$") and found[0].endswith("$") and _is_prose(found[0])
        if money:
            at = found.start() + 1
            continue
        percent = _PERCENT.match(text, found.end())
        at = percent.end() if percent else found.end()
        yield found.start(), at
