"""Tables and quantities as plain text, the same on a terminal and in a file."""

import math
from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """One line for each row. The columns in `left` are aligned to the left, all others to the right.

    >>> table([("rule", "jobs"), ("train", "12")])
    ['rule   jobs', 'train    12']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def size(count: float) -> str:
    """A number of bytes.

    >>> size(41.3e9), size(120e6), size(312), size(0)
    ('41 GB', '120 MB', '312 B', '0 B')
    """
    for unit, most in (("B", 1e3), ("kB", 1e6), ("MB", 1e9), ("GB", 1e12)):
        if count < most:
            return f"{number(count / most * 1e3)} {unit}"
    return f"{number(count / 1e12)} TB"


def duration(seconds: float) -> str:
    """A time, in the unit that suits it.

    >>> duration(3.94), duration(592), duration(11520), duration(432000)
    ('3.9 s', '9.9 min', '3.2 h', '5.0 d')
    """
    for unit, length, most in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 259200)):
        if seconds < most:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds / 86400)} d"


def hours(value: float) -> str:
    """A number of hours, of a core or a GPU.

    >>> hours(111.4), hours(0.18), hours(0.002), hours(0)
    ('111', '0.18', '<0.01', '0')
    """
    return "<0.01" if 0 < value < 0.01 else number(value)


def number(value: float) -> str:
    """Two digits, or all digits before the point.

    >>> number(0.1834), number(3.21), number(41.3), number(1234.5), number(0)
    ('0.18', '3.2', '41', '1,234', '0')
    """
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def rounded_up(value: float) -> str:
    """A positive number with two digits, never below the number: it is shown as a bound.

    >>> [rounded_up(value) for value in (0.104, 1.04, 12.01, 123.1, 0.0)]
    ['0.11', '1.1', '13', '130', '0']
    """
    if value <= 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    rounded = math.ceil(value / step - 1e-9) * step
    return f"{rounded:.2g}" if rounded < 99.5 else f"{rounded:.0f}"
