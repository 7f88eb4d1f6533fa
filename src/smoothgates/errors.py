"""Errors that become one line on stderr and an exit code that says what to do."""


class OneLine(Exception):
    """Whatever its text quotes, such as a file's name, it is told in one line.

    >>> str(OneLine("config/a\\nb.yaml: no such file"))
    'config/a b.yaml: no such file'
    """

    def __str__(self) -> str:
        return " ".join(super().__str__().split("\n"))


class BadInput(OneLine):
    """The user's to mend, exit code 2. Names the file and the key, and says what was expected."""


class TryAgain(OneLine):
    """Nobody's to mend, exit code 75: the same command may succeed later."""
