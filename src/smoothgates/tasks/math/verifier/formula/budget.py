"""The budget of a verdict, in units of work rather than in time: the same inputs always cost the same."""

MOST_WORK = 200_000
"""Units of work on one verdict, about two microseconds each. One that needs more is undecided on every machine."""


class TooMuchWork(ArithmeticError):
    """The budget of a verdict is spent."""


class Budget:
    """Counts the work on a verdict."""

    left = MOST_WORK

    def begin(self) -> None:
        """Start a new verdict."""
        self.left = MOST_WORK

    def spend(self, units: int) -> None:
        """Count some work. Raises TooMuchWork when the budget is spent."""
        self.left -= units
        if self.left < 0:
            raise TooMuchWork


budget = Budget()
