"""Completions as branches of their prompts: the values and gradients of whole rows, and no row sees another."""

import pytest
import torch
from rounding import FORWARD, assert_gradients_rounded, assert_rounded, largest

from smoothgates.policy import logprob
from smoothgates.policy.branches import Branches
from smoothgates.policy.logprob import Scorer, completion_logprobs
from smoothgates.seeds import torch_stream

SIZES = {
    "equal groups": [4, 4, 4],
    "groups of different sizes": [5, 1, 2, 3],
    "one group": [6],
    "every row a prompt of its own": [1, 1, 1, 1],
    "a single row": [1],
}


def rows_of(sizes, longest=15, ragged=True):
    """Rows of groups of these sizes in random order: ids (B, T), starts (B,), lengths (B,)."""
    generator = torch_stream(0, "rows")

    def lengths(count, most):
        return torch.randint(1 if ragged else most, most + 1, (count,), generator=generator)

    prompts = [torch.randint(5, 110, (n,), generator=generator) for n in lengths(len(sizes), 9).tolist()]
    rows = [prompt for prompt, count in zip(prompts, sizes, strict=True) for _ in range(count)]
    own = lengths(len(rows), longest)
    rows = [torch.cat([row, torch.randint(5, 110, (n,), generator=generator)]) for row, n in zip(rows, own.tolist())]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    starts = torch.tensor([len(row) for row in rows]) - own
    order = torch.randperm(len(rows), generator=generator)
    return ids[order], starts[order], own[order]


def valid(lengths):
    return torch.arange(int(lengths.max())) < lengths.unsqueeze(1)


@pytest.mark.parametrize("longest", [1, 2, 15])
@pytest.mark.parametrize("ragged", [True, False])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_branches_have_the_values_and_gradients_of_whole_rows(sizes, ragged, longest, policy):
    ids, starts, lengths = rows_of(sizes, longest, ragged)
    mask, weights = valid(lengths), list(policy.parameters())
    factors = torch.randn(mask.shape, generator=torch_stream(1, "factors")) * mask
    found = Scorer(policy)(ids, starts, lengths)
    expected = completion_logprobs(policy, ids, starts, int(lengths.max()))
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert_rounded(a[mask], b[mask], FORWARD, largest(expected[0][mask]))
    assert_gradients_rounded(
        *(torch.autograd.grad((logp * factors).sum(), weights) for logp in (found[0], expected[0]))
    )


def test_each_prompt_is_computed_once_and_padding_never():
    ids, starts, lengths = rows_of([5, 1, 2, 3])
    prompts = {tuple(row[:start]) for row, start in zip(ids.tolist(), starts.tolist(), strict=True)}
    made = Branches(ids, starts, lengths)
    assert len(prompts) == 4
    assert len(made.ids) == len(made.places) == sum(map(len, prompts)) + int((lengths - 1).sum())


@pytest.mark.parametrize(("longest", "used"), [(9, False), (10, True)])
def test_rows_with_long_completions_are_padded_as_before(longest, used, policy, monkeypatch):
    ids, starts, lengths = rows_of([3, 2], 10, ragged=False)
    expected, _ = Scorer(policy)(ids, starts, lengths)
    made, real = [], Branches.__init__
    monkeypatch.setattr(logprob, "LONGEST", longest)
    monkeypatch.setattr(Branches, "__init__", lambda self, *rows: made.append(rows) or real(self, *rows))
    found, _ = Scorer(policy)(ids, starts, lengths)
    assert bool(made) is used
    assert_rounded(found, expected, FORWARD, largest(expected))


def test_rows_of_one_prompt_do_not_see_each_other(policy):
    ids, starts, lengths = rows_of([3, 3])
    scorer, mask = Scorer(policy), valid(lengths)
    with torch.no_grad():
        before, _ = scorer(ids, starts, lengths)
        for changed in range(len(ids)):
            others, first = ids.clone(), int(starts[changed])
            others[changed, first:] = (ids[changed, first:] + 1) % 100 + 5
            after, _ = scorer(others, starts, lengths)
            same = (after == before).where(mask, torch.ones(())).bool().all(1)
            assert same.tolist() == [row != changed for row in range(len(ids))]


def test_a_completion_that_sees_later_tokens_would_be_detected(policy, monkeypatch):
    ids, starts, lengths = rows_of([3, 3], ragged=False)
    right, _ = Scorer(policy)(ids, starts, lengths)
    real = Branches.__init__

    def blind(self, *rows):
        real(self, *rows)
        self.visible = torch.ones_like(self.visible)

    monkeypatch.setattr(Branches, "__init__", blind)
    wrong, _ = Scorer(policy)(ids, starts, lengths)
    assert (right - wrong).abs().max() > 0.01


def test_a_policy_with_recomputed_activations_has_the_same_gradient(policy):
    ids, starts, lengths = rows_of([3, 2])
    mask, weights, gradients = valid(lengths), list(policy.parameters()), []
    for recomputes in (False, True):
        policy.recomputes = recomputes
        logp, _ = Scorer(policy)(ids, starts, lengths)
        gradients.append(torch.autograd.grad((logp * mask).sum(), weights))
    policy.recomputes = False
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)
