"""Errors of reading a formula."""


class Unreadable(ValueError):
    """The text cannot be read as a formula."""
