"""What reading a formula may end with."""


class Unreadable(ValueError):
    """A text that is not read as a formula."""
