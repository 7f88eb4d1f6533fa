"""Which rows go through the policy together, and on which rank: never visible in the result but for rounding."""


def deal(lengths: list[int], ranks: int = 1, budget: int | None = None, packed: bool = False) -> list[list[list[int]]]:
    """Rows of each rank in each micro-batch: `deal(...)[step][rank]` lists places in `lengths`.

    lengths: tokens of each row. budget: most tokens of a micro-batch on one rank, padding included unless `packed`; a
    longer row has one of its own. None: one micro-batch. All ranks take the same number of steps, as engines that
    divide weights need; one may have no row in some.

    >>> deal([5, 3, 4])
    [[[0, 1, 2]]]
    >>> deal([5, 3, 4, 1, 1], budget=9)
    [[[1, 2]], [[0]], [[3, 4]]]
    >>> deal([5, 3, 4, 1, 1], ranks=2, budget=9, packed=True)
    [[[0, 2], [1, 3, 4]]]
    """
    if budget is None and ranks == 1:
        return [[list(range(len(lengths)))]]
    longest_first = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    if budget is None:
        return [[sorted(share) for share in lightest_first(longest_first, lengths, ranks)]]
    batches = (fitted if packed else cut)(longest_first, lengths, budget)
    batches = halved(batches, ranks, lengths)
    return shared(batches, [tokens(batch, lengths, packed) for batch in batches], ranks)


def tokens(batch: list[int], lengths: list[int], packed: bool) -> int:
    """What a micro-batch takes: with padding every row counts as the longest."""
    own = [lengths[row] for row in batch]
    return sum(own) if packed else len(own) * max(own, default=0)


def lightest_first(rows: list[int], lengths: list[int], ranks: int) -> list[list[int]]:
    """Rows, the longest first, each to the rank that has the fewest tokens yet."""
    shares: list[list[int]] = [[] for _ in range(ranks)]
    for row in rows:
        min(shares, key=lambda share: tokens(share, lengths, packed=True)).append(row)
    return shares


def cut(rows: list[int], lengths: list[int], budget: int) -> list[list[int]]:
    """Neighbours together, so many as fit with padding to the first and longest."""
    batches = []
    while rows:
        count = max(1, budget // lengths[rows[0]])
        batches.append(rows[:count])
        rows = rows[count:]
    return batches


def fitted(rows: list[int], lengths: list[int], budget: int) -> list[list[int]]:
    """Each row into the first micro-batch that has room for it: at most 11/9 of the fewest possible, and one more."""
    batches: list[list[int]] = []
    rooms: list[int] = []
    for row in rows:
        place = next((i for i, room in enumerate(rooms) if room >= lengths[row]), len(rooms))
        if place == len(rooms):
            batches.append([])
            rooms.append(budget)
        batches[place].append(row)
        rooms[place] -= lengths[row]
    return batches


def halved(batches: list[list[int]], ranks: int, lengths: list[int]) -> list[list[int]]:
    """The same rows in as many micro-batches as leave no rank idle, as far as there are rows."""
    batches = list(batches)
    while len(batches) % ranks and (several := [batch for batch in batches if len(batch) > 1]):
        heaviest = max(several, key=lambda batch: tokens(batch, lengths, packed=True))
        batches.remove(heaviest)
        batches += [heaviest[::2], heaviest[1::2]]
    return batches


def shared(batches: list[list[int]], costs: list[int], ranks: int) -> list[list[list[int]]]:
    """Micro-batches that cost about the same in each step, and about the same for each rank in all steps together."""
    order = sorted(range(len(batches)), key=lambda i: -costs[i])  # if memory is short, that shows at once
    spent, steps = [0] * ranks, []
    for first in range(0, len(order), ranks):
        step: list[list[int]] = [[] for _ in range(ranks)]
        for rank, i in zip(sorted(range(ranks), key=spent.__getitem__), order[first : first + ranks]):
            step[rank] = sorted(batches[i])
            spent[rank] += costs[i]
        steps.append(step)
    return steps
