"""What a verdict may cost, counted."""

WORK = 200_000
"""Units of work on one verdict, about two microseconds each: what takes more is not decided, on no machine."""


class TooMuchWork(ArithmeticError):
    """What a verdict may cost is spent."""


class Work:
    """Counts what a verdict costs, rather than how long it takes: the same inputs always cost the same."""

    left = WORK

    def begin(self) -> None:
        self.left = WORK

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            raise TooMuchWork


work = Work()
