"""Errors that become one line on stderr and an exit code that says what to do."""

LONGEST = 1000
"""Characters of a message."""


class _OneLine(Exception):
    """Whatever a message quotes, it is one line of printable text."""

    def __str__(self) -> str:
        text = super().__str__()
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


class BadInput(_OneLine):
    """The user's to mend, exit code 2. Names the file and the key, and says what was expected."""


class TryAgain(_OneLine):
    """Nobody's to mend, exit code 75: the same command may succeed later."""
