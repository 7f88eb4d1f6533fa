"""Log-probabilities: chunked equal full, packed equal padded, and no sequence sees another."""

import json
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from rounding import FORWARD, HEAD, assert_gradients_rounded, assert_rounded, largest, ulps

from smoothgates.policy import decoder
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.logprob import Scorer, token_logprobs
from smoothgates.policy.routing import routing
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import ExpertsConfig
from smoothgates.study.loader import load_study


@pytest.fixture
def sparse():
    """The laptop policy with experts."""
    experts = ExpertsConfig(count=8, chosen=2, intermediate_size=24)
    arch = load_study("laptop").config.architecture.model_copy(update={"experts": experts})
    return Decoder(arch).initialise(torch_stream(0, "initialise"))


@pytest.fixture(params=["policy", "sparse"])
def either(request):
    """The laptop policy, without and with experts."""
    return request.getfixturevalue(request.param)


def rows():
    """Ragged rows: ids (7, T), starts (7,), lengths (7,)."""
    generator = torch_stream(0, "rows")
    starts = torch.randint(1, 10, (7,), generator=generator)
    lengths = torch.randint(1, 15, (7,), generator=generator)
    ids = torch.randint(5, 110, (7, int((starts + lengths).max())), generator=generator)
    return ids, starts, lengths


def valid(lengths):
    return torch.arange(int(lengths.max())) < lengths.unsqueeze(1)


def problem(tokens, hidden, vocabulary, dtype=torch.float32, scale=0.1):
    """Hidden states, output matrix, targets, and a factor for each log-probability."""
    generator = torch_stream(0, "head")
    states = torch.randn(tokens, hidden, generator=generator).to(dtype).requires_grad_()
    head = (scale * torch.randn(vocabulary, hidden, generator=generator)).to(dtype).requires_grad_()
    targets = torch.randint(vocabulary, (tokens,), generator=generator)
    return states, head, targets, torch.randn(tokens, generator=generator)


@pytest.mark.parametrize("chunk", [1, 7, 50, 1000])
@pytest.mark.parametrize("scale", [0.1, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_chunks_change_no_value_and_no_gradient(chunk, scale, dtype):
    states, head, targets, factors = problem(50, 32, 1003, dtype, scale)
    full, chunked = (token_logprobs(states, head, targets, size) for size in (None, chunk))
    for ours, theirs in zip(chunked, full, strict=True):
        assert ours.dtype == torch.float32
        assert_rounded(ours, theirs, HEAD, largest(full[0]))
    ours, theirs = (torch.autograd.grad((logp * factors).sum(), (states, head)) for logp, _ in (chunked, full))
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        # The relative error of a probability is the error of its logarithm. Products round to the type of the factors.
        near = ulps(HEAD, largest(full[0])) + ulps(3 * HEAD, 1)
        assert (a - b).abs().max() <= near * largest(b) + ulps(1, largest(b), dtype)


def test_half_precision_products_accumulate_in_single_precision():
    """The results equal those of the same numbers in single precision: nothing is rounded before the logits."""
    states, head, targets, _ = problem(20, 64, 500, torch.bfloat16, 1.0)
    for chunk in (None, 4):
        expected = token_logprobs(states.float(), head.float(), targets, chunk)
        halves = token_logprobs(states, head, targets, chunk)
        with torch.autocast("cpu", torch.bfloat16):
            cast = token_logprobs(states.float(), head.float(), targets, chunk)
        for found in (halves, cast):
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("chunk", [None, 5])
def test_entropy_is_of_the_distribution_and_has_no_gradient(chunk):
    states, head, targets, _ = problem(20, 16, 300)
    logp, entropy = token_logprobs(states, head, targets, chunk)
    expected = torch.distributions.Categorical(logits=F.linear(states, head)).entropy()
    assert_rounded(entropy, expected.detach(), HEAD, largest(logp))
    assert not entropy.requires_grad


@pytest.mark.parametrize("chunk", [None, 5])
def test_a_policy_that_is_not_finite_gives_nan(chunk):
    states, head, targets, _ = problem(4, 16, 300)
    with torch.no_grad():
        states[2, 0] = torch.nan
    logp, _ = token_logprobs(states, head, targets, chunk)
    assert logp.isnan().tolist() == [False, False, True, False]


def test_chunks_take_an_eighth_of_the_memory():
    """In separate processes: 400 tokens over 60,000 words, 92 MiB of logits, chunks of 16."""
    extra, sums = {}, {}
    for kind in ("full", "chunked"):
        command = [sys.executable, "tests/bench/memory.py", kind, "400", "32", "60000", "16"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        extra[kind], sums[kind] = found["extra_mib"], found["sums"]
    assert extra["full"] > 180
    assert extra["chunked"] <= extra["full"] / 8  # the gradients included, which both must return
    assert sums["chunked"] == pytest.approx(sums["full"], rel=ulps(3 * HEAD, 1))


@pytest.mark.parametrize(("packed", "chunk"), [(True, None), (False, 9), (True, 9)])
def test_packed_and_chunked_equals_padded_and_full(packed, chunk, either):
    ids, starts, lengths = rows()
    mask, weights = valid(lengths), list(either.parameters())
    factors = torch.randn(mask.shape, generator=torch_stream(1, "factors")) * mask
    expected, found = (Scorer(either, *how)(ids, starts, lengths) for how in ((), (packed, chunk)))
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert_rounded(a[mask], b[mask], FORWARD, largest(expected[0][mask]))
    assert_gradients_rounded(
        *(torch.autograd.grad((logp * factors).sum(), weights) for logp in (found[0], expected[0]))
    )


def leaks(policy, packed, chunk):
    """Rows whose log-probabilities change with another row's tokens."""
    ids, starts, lengths = rows()
    scorer, mask = Scorer(policy, packed, chunk), valid(lengths)
    found = set()
    with torch.no_grad():
        before, _ = scorer(ids, starts, lengths)
        for changed in range(len(ids)):
            others = ids.clone()
            others[changed] = (ids[changed] + 1) % 100 + 5
            after, _ = scorer(others, starts, lengths)
            same = (after == before).where(mask, torch.ones(())).bool().all(1)
            assert not same[changed]
            found |= {row for row in range(len(ids)) if row != changed and not same[row]}
    return found


@pytest.mark.parametrize("chunk", [None, 9])
@pytest.mark.parametrize("packed", [False, True])
def test_no_packed_sequence_affects_another(packed, chunk, policy):
    assert leaks(policy, packed, chunk) == set()


def test_attention_over_the_whole_row_would_be_detected(policy, monkeypatch):
    """The most common fault of packing: only a causal mask, with positions that restart correctly."""
    whole = lambda q, k, v, lengths: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)  # noqa: E731
    monkeypatch.setattr(decoder, "isolated", whole)
    assert leaks(policy, True, None) == {1, 2, 3, 4, 5, 6}


def test_positions_start_at_0_in_each_sequence(policy):
    """A sequence has the same states wherever it is packed."""
    own = torch.randint(5, 110, (12,), generator=torch_stream(0, "own"))
    other = torch.randint(5, 110, (30,), generator=torch_stream(0, "other"))
    alone, behind = policy.packed(own, [12]), policy.packed(torch.cat([other, own]), [30, 12])[30:]
    assert_rounded(behind, alone, FORWARD)
    assert_rounded(alone, policy.hidden(own.unsqueeze(0))[0], FORWARD)


def test_packing_records_and_replays_the_same_experts(sparse):
    ids, starts, lengths = rows()
    before = starts.unsqueeze(1) + torch.arange(int(lengths.max())) - 1
    noted = []
    for packed in (False, True):
        with torch.no_grad(), routing(sparse, *ids.shape) as routes:
            Scorer(sparse, packed)(ids, starts, lengths)
        noted.append(torch.stack([routes[i, before[i][:n]].sort(-1).values.sum(0) for i, n in enumerate(lengths)]))
    assert torch.equal(*noted)
    with torch.no_grad():
        given = torch.rand(*ids.shape, 2, 8, generator=torch_stream(1, "given")).topk(2).indices.byte()
        found = []
        for packed in (False, True):
            with routing(sparse, *ids.shape, given):
                found.append(Scorer(sparse, packed)(ids, starts, lengths)[0][valid(lengths)])
    assert_rounded(*found, FORWARD)
