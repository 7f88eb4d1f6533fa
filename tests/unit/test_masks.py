"""Masks of a method: which tokens lose their gradient, by a change of probability or by covariance."""

import statistics

import pytest
import torch

from smoothgates.errors import BadInput
from smoothgates.io.records import parse
from smoothgates.methods.method import Covariance, Divergence, Method
from smoothgates.objective import policy_loss, update_diagnostics
from smoothgates.objective.masks import covariance_mask, divergence_mask

F64 = torch.float64


def kept(old, new, positive, **mask):
    """Whether one token keeps its gradient when its probability goes from `old` to `new`."""
    before, after = (torch.tensor([[p]], dtype=F64).log() for p in (old, new))
    keep = divergence_mask(after - before, before, torch.tensor([[positive]]), Divergence(**mask))
    return bool(keep.item())


@pytest.mark.parametrize(("kind", "bound"), [("tv", 0.15), ("kl", 0.05)])
def test_a_token_is_masked_only_where_its_advantage_drives_it_further(kind, bound):
    for positive, further, back in ((True, 0.9, 0.1), (False, 0.1, 0.9)):
        assert not kept(0.5, further, positive, kind=kind, bound=bound)
        assert kept(0.5, back, positive, kind=kind, bound=bound)
        assert kept(0.5, 0.5, positive, kind=kind, bound=bound)


def test_the_bounds_are_for_falling_and_for_rising_probabilities():
    assert kept(0.5, 0.65, True, kind="tv", bound=(0.1, 0.2))
    assert not kept(0.5, 0.35, False, kind="tv", bound=(0.1, 0.2))


def test_large_ratios_of_unlikely_tokens_are_kept_and_small_ones_of_likely_tokens_are_not():
    """What the paper holds against PPO's clip."""
    assert kept(1e-4, 1e-2, True, kind="tv", bound=0.15)
    assert not kept(0.95, 0.75, False, kind="tv", bound=0.15)


@pytest.mark.parametrize("kind", ["tv", "kl"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_certain_and_impossible_tokens_have_a_mask(kind, dtype):
    """π = 1 before or after, and log-ratios at the limit of the loss."""
    old = torch.tensor([[0.0, -1e-9, -3.0, -100.0, -20.0]], dtype=dtype)
    change = torch.tensor([[-20.0, 1e-9, 3.0, 20.0, -20.0]], dtype=dtype)
    for positive, expected in ((True, [1, 1, 0, 1, 1]), (False, [0, 1, 1, 1, 1])):
        keep = divergence_mask(change, old, torch.tensor([[positive]]), Divergence(kind=kind, bound=0.05))
        assert keep.tolist() == [expected]


def test_a_masked_token_counts_as_attenuated():
    old = torch.tensor([[0.5, 0.5]]).log()
    new = torch.tensor([[0.9, 0.55]]).log()
    method = Method(gate="none", mask=Divergence(kind="tv", bound=(0.15, 0.15)))
    _, terms = policy_loss(new, old, torch.ones(1), torch.ones(1, 2, dtype=torch.bool), method)
    found = update_diagnostics(terms)
    assert found["eur"] == found["attenuated"] == 0.5


def random_update(seed=0, rows=6, tokens=8):
    generator = torch.Generator().manual_seed(seed)
    old = -3 * torch.rand(rows, tokens, generator=generator)
    valid = torch.rand(rows, tokens, generator=generator) < 0.7
    return old, torch.randn(rows, 1, generator=generator), valid


def covariances(old, advantage, valid):
    """Of each valid token by its place, with means over the valid tokens."""
    places = [tuple(place) for place in valid.nonzero().tolist()]
    middle = statistics.fmean(old[place].item() for place in places)
    mean = statistics.fmean(advantage[row].item() for row, _ in places)
    return {(row, t): (old[row, t].item() - middle) * (advantage[row].item() - mean) for row, t in places}


@pytest.mark.parametrize("share", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_some_tokens_inside_the_window_lose_their_gradient(seed, share):
    old, advantage, valid = random_update(seed)
    mask = Covariance(kind="covariance", share=share, window=(0.2, 1.0))
    keep = covariance_mask(old, advantage, valid, mask, torch.Generator().manual_seed(seed))
    lost = {tuple(place) for place in (keep == 0).nonzero().tolist()}
    inside = {place for place, c in covariances(old, advantage, valid).items() if 0.2 < c < 1.0}
    assert lost <= inside
    assert len(lost) == min(len(inside), max(int(share * int(valid.sum())), 1))


def test_the_choice_is_random_and_repeatable():
    old, advantage, valid = random_update(rows=40)
    mask = Covariance(kind="covariance", share=0.05, window=(0.1, 5.0))
    one, again, other = (
        covariance_mask(old, advantage, valid, mask, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_equal_advantages_and_no_tokens_mask_nothing():
    old, advantage, valid = random_update()
    mask = Covariance(kind="covariance", share=1.0, window=(0.1, 5.0))
    for equal, chosen in ((torch.ones_like(advantage), valid), (advantage, torch.zeros_like(valid))):
        assert (covariance_mask(old, equal, chosen, mask, torch.Generator()) == 1).all()


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"gate": "erf", "tau": 1, "ratio": "geometric"}, "ratio 'geometric': expected gate 'clip' and no weights ins"),
        (
            {"gate": "clip", "clip": 0.4, "ratio": "geometric", "weights": {"kind": "grpo_sg", "placement": "inside"}},
            "ratio 'geometric': expected gate 'clip' and no weights inside it",
        ),
        ({"gate": "none", "mask": {"kind": "tv"}}, "mask.tv.bound: "),
        ({"gate": "none", "mask": {"kind": "tv", "bound": 0}}, "mask.tv.bound"),
        ({"gate": "none", "mask": {"kind": "entropy", "bound": 1}}, "mask: "),
        (
            {"gate": "none", "mask": {"kind": "covariance", "share": 0.1, "window": [5, 1]}},
            r"mask.covariance: .*window: expected a lower bound and a larger one, got \[5.0, 1.0\]",
        ),
    ],
)
def test_a_bad_row_is_one_line(row, fault):
    with pytest.raises(BadInput, match=f"^methods.yaml: mine: {fault}"):
        parse(Method, row, "methods.yaml: mine")
