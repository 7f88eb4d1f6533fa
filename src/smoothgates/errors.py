"""Errors that end a command with one line on stderr and an exit code that says what to do."""

LONGEST = 1000
"""Longest message, in characters. The rest is cut off."""


class _OneLine(Exception):
    """An error whose message is one line of printable text, whatever it quotes."""

    def __str__(self) -> str:
        text = super().__str__()
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


class BadInput(_OneLine):
    """An error that the user has to fix; exit code 2. The message names the file and the key, and what was expected."""


class TryAgain(_OneLine):
    """The same command may succeed later; exit code 75."""
