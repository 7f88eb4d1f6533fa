"""Divides rows into micro-batches and among ranks. It affects the result of an update by rounding only."""


def deal(lengths: list[int], ranks: int = 1, budget: int | None = None, packed: bool = False) -> list[list[list[int]]]:
    """Return the rows of each rank in each micro-batch: `deal(...)[i][rank]` lists indices into `lengths`.

    All ranks have the same number of micro-batches, as engines that divide weights require; some may be empty.

    Args:
        lengths: tokens of each row.
        budget: most tokens in a micro-batch of one rank, including padding unless `packed`. A longer row gets a
            micro-batch to itself. None: one micro-batch.

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
    batches = (first_fit if packed else padded)(longest_first, lengths, budget)
    batches = split_for_ranks(batches, ranks, lengths)
    return assign_to_ranks(batches, [tokens(batch, lengths, packed) for batch in batches], ranks)


def tokens(batch: list[int], lengths: list[int], packed: bool) -> int:
    """Tokens of a micro-batch, including padding to the longest row unless `packed`."""
    own = [lengths[row] for row in batch]
    return sum(own) if packed else len(own) * max(own, default=0)


def lightest_first(rows: list[int], lengths: list[int], ranks: int) -> list[list[int]]:
    """Assign each row, from the longest to the shortest, to the rank with the fewest tokens so far."""
    shares: list[list[int]] = [[] for _ in range(ranks)]
    spent = [0] * ranks
    for row in rows:
        rank = spent.index(min(spent))
        shares[rank].append(row)
        spent[rank] += lengths[row]
    return shares


def padded(rows: list[int], lengths: list[int], budget: int) -> list[list[int]]:
    """Fill micro-batches with neighbouring rows, padded to the first and longest."""
    batches, first = [], 0
    while first < len(rows):
        count = max(1, budget // lengths[rows[first]])
        batches.append(rows[first : first + count])
        first += count
    return batches


def first_fit(rows: list[int], lengths: list[int], budget: int) -> list[list[int]]:
    """Put each row into the first micro-batch that has room: at most 11/9 times the fewest possible, plus one."""
    batches: list[list[int]] = []
    rooms: list[int] = []
    for row in rows:
        at = next((i for i, room in enumerate(rooms) if room >= lengths[row]), len(rooms))
        if at == len(rooms):
            batches.append([])
            rooms.append(budget)
        batches[at].append(row)
        rooms[at] -= lengths[row]
    return batches


def split_for_ranks(batches: list[list[int]], ranks: int, lengths: list[int]) -> list[list[int]]:
    """Split the largest micro-batches until no rank is idle, as long as one has several rows."""
    batches = list(batches)
    while len(batches) % ranks and (several := [batch for batch in batches if len(batch) > 1]):
        heaviest = max(several, key=lambda batch: tokens(batch, lengths, packed=True))
        batches.remove(heaviest)
        batches += [heaviest[::2], heaviest[1::2]]
    return batches


def assign_to_ranks(batches: list[list[int]], costs: list[int], ranks: int) -> list[list[list[int]]]:
    """Assign micro-batches to ranks, balancing the costs of those that run at the same time and the ranks' totals."""
    # The most expensive come first: if memory is short, the run fails at once.
    order = sorted(range(len(batches)), key=lambda i: -costs[i])
    spent, steps = [0] * ranks, []
    for first in range(0, len(order), ranks):
        step: list[list[int]] = [[] for _ in range(ranks)]
        for rank, i in zip(sorted(range(ranks), key=spent.__getitem__), order[first : first + ranks]):
            step[rank] = sorted(batches[i])
            spent[rank] += costs[i]
        steps.append(step)
    return steps
