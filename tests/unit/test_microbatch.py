"""Rows are divided among ranks and micro-batches: each once, within the budget, evenly and with little padding."""

from hypothesis import given
from hypothesis import strategies as st

from smoothgates.train.microbatch import deal, tokens

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=80)
RANKS = st.integers(1, 5)
BUDGET = st.none() | st.integers(1, 900)


def batches(dealt):
    return [batch for step in dealt for batch in step]


@given(LENGTHS, RANKS, BUDGET, st.booleans())
def test_every_row_is_in_one_micro_batch(lengths, ranks, budget, packed):
    dealt = deal(lengths, ranks, budget, packed)
    assert sorted(row for batch in batches(dealt) for row in batch) == list(range(len(lengths)))
    assert all(len(step) == ranks for step in dealt)
    assert dealt == deal(list(lengths), ranks, budget, packed)


@given(LENGTHS, RANKS, st.integers(1, 900), st.booleans())
def test_only_a_micro_batch_of_one_row_may_exceed_the_budget(lengths, ranks, budget, packed):
    for batch in batches(deal(lengths, ranks, budget, packed)):
        assert len(batch) <= 1 or tokens(batch, lengths, packed) <= budget


@given(LENGTHS, RANKS, BUDGET, st.booleans())
def test_ranks_differ_by_one_micro_batch_at_most(lengths, ranks, budget, packed):
    packed = packed or budget is None  # then padding is not counted
    dealt = deal(lengths, ranks, budget, packed)
    spent = [sum(tokens(step[rank], lengths, packed) for step in dealt) for rank in range(ranks)]
    unit = max(lengths) if budget is None else max(tokens(batch, lengths, packed) for batch in batches(dealt))
    assert max(spent) - min(spent) <= unit


@given(LENGTHS, RANKS, st.integers(1, 900), st.booleans())
def test_a_rank_is_idle_only_if_there_are_too_few_rows(lengths, ranks, budget, packed):
    dealt = deal(lengths, ranks, budget, packed)
    idle = [step.count([]) for step in dealt]
    assert not any(idle[:-1])
    if idle[-1]:
        assert all(len(batch) <= 1 for batch in batches(dealt))


@given(LENGTHS, st.integers(200, 900))
def test_sorting_never_costs_a_micro_batch(lengths, budget):
    """With padding, compared to rows divided in their original order."""
    as_given, batch = 1, []
    for row in range(len(lengths)):
        if tokens([*batch, row], lengths, False) > budget:
            as_given, batch = as_given + 1, []
        batch = [*batch, row]
    assert len(deal(lengths, 1, budget)) <= as_given


@given(LENGTHS, st.integers(200, 900))
def test_packed_micro_batches_are_more_than_half_full(lengths, budget):
    """At most one is not: two such micro-batches would fit into one."""
    full = [2 * tokens(batch, lengths, True) > budget for batch in batches(deal(lengths, 1, budget, packed=True))]
    assert full.count(False) <= 1


@given(LENGTHS, st.booleans())
def test_a_budget_with_room_for_all_rows_changes_nothing(lengths, packed):
    assert deal(lengths, 1, 200 * 80, packed) == deal(lengths) == [[list(range(len(lengths)))]]


@given(LENGTHS, RANKS)
def test_without_a_budget_there_is_one_step(lengths, ranks):
    assert len(deal(lengths, ranks)) == 1


@given(LENGTHS, RANKS, st.integers(1, 900), st.booleans())
def test_the_largest_micro_batches_come_first(lengths, ranks, budget, packed):
    """A budget that exceeds the memory then fails at once."""
    largest = [max(tokens(batch, lengths, packed) for batch in step) for step in deal(lengths, ranks, budget, packed)]
    assert largest == sorted(largest, reverse=True)
