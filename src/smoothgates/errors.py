"""The one error that is the user's to mend: it becomes one line on stderr and exit code 2."""


class BadInput(Exception):
    """Names the file and the key, and says what was expected."""
