"""Sampling one text for all completions that are equal so far: the distribution is the policy's, whatever is shared."""

import math
from itertools import product

import pytest
import torch
from rounding import FORWARD, assert_rounded

from smoothgates.policy.decoder import Decoder
from smoothgates.rollout.collect import distinct
from smoothgates.rollout.prefixes import Prefixes
from smoothgates.rollout.sampler import Completions, SamplingParameters
from smoothgates.rollout.texts import DecoderTexts
from smoothgates.rollout.torch_sampler import BLOCK, draw, sample
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture, ExpertsConfig

TINY = Architecture(
    vocab_size=5, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.5,
)  # fmt: skip
SPARSE = TINY.model_copy(update={"experts": ExpertsConfig(count=4, chosen=2, intermediate_size=8)})
PROMPTS = [[1, 2, 3], [4], [2, 2, 0, 1, 3], [3, 1]]
END = 0


def decoder(arch=TINY):
    """A policy with weights of all kinds: norms and biases are not those of a new one."""
    policy, stream = Decoder(arch).initialise(torch_stream(0, "initialise")), torch_stream(0, "change")
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape, generator=stream), alpha=0.2)
                assert "norm" in name or "bias" in name
    return policy


def draws(prompts, samples, limit, temperature=1.0, greedy=False, seed=0):
    parameters = SamplingParameters(samples, limit, (END,), temperature, greedy)
    return sample(decoder(), prompts, parameters, torch_stream(seed, "samples"))


def log_probs(policy, ids):
    with torch.no_grad():
        return policy.logits(policy.hidden(torch.tensor([ids])))[0, -1].double().log_softmax(-1)


def distribution(prompt, limit, temperature=1.0):
    """The probability of each completion of up to `limit` tokens."""
    policy, found, partial = decoder(), {}, {(): 1.0}
    for _ in range(limit):
        grown = {}
        for written, p in partial.items():
            each = (log_probs(policy, [*prompt, *written]) / temperature).softmax(-1).tolist()
            for token, q in enumerate(each):
                (found if token == END else grown)[*written, token] = p * q
        partial = grown
    return found | partial


def completions_of(done):
    return [tuple(ids[:length]) for ids, length in zip(done.ids.tolist(), done.lengths.tolist(), strict=True)]


def assert_follows(counts, expected):
    """Counts by outcome are within five standard deviations of a chi-square's mean, and nothing impossible occurs."""
    total = sum(counts.values())
    assert set(counts) <= set(expected)
    chi_square = sum((counts.get(k, 0) - total * p) ** 2 / (total * p) for k, p in expected.items())
    freedom = len(expected) - 1
    assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom)


def count(outcomes):
    found = {}
    for outcome in outcomes:
        found[outcome] = found.get(outcome, 0) + 1
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_completions_follow_the_product_of_the_policys_probabilities(temperature):
    done = draws(PROMPTS[:1], 40_000, 3, temperature)
    expected = distribution(PROMPTS[0], 3, temperature)
    assert sum(expected.values()) == pytest.approx(1)
    assert_follows(count(completions_of(done)), expected)


def test_two_samples_of_a_prompt_are_independent():
    done = draws(PROMPTS[:1] * 20_000, 2, 2)
    one = distribution(PROMPTS[0], 2)
    found = completions_of(done)
    pairs = count(zip(found[::2], found[1::2], strict=True))
    assert_follows(pairs, {(a, b): one[a] * one[b] for a, b in product(one, one)})


def test_tokens_do_not_depend_on_other_prompts_or_on_the_greedy_completion():
    done = draws(PROMPTS, 6, 12)
    alone = draws(PROMPTS[:2], 6, 12)
    assert completions_of(done)[:12] == completions_of(alone)
    both = completions_of(draws(PROMPTS, 6, 12, greedy=True))
    assert [c for i, c in enumerate(both) if i % 7 < 6] == completions_of(done)
    assert both[6::7] == completions_of(draws(PROMPTS, 1, 12, temperature=0.0))
    assert both[6::7] == completions_of(draws(PROMPTS, 0, 12, greedy=True))


def test_log_probabilities_and_entropies_are_the_policys_at_temperature_1():
    policy, done = decoder(), draws(PROMPTS, 3, 6, temperature=0.5, greedy=True)
    for row, (written, logp, entropy) in enumerate(zip(completions_of(done), done.logp, done.entropy, strict=True)):
        for t, token in enumerate(written):
            expected = log_probs(policy, [*PROMPTS[row // 4], *written[:t]])
            assert logp[t].item() == pytest.approx(expected[token].item(), abs=1e-5)
            assert entropy[t].item() == pytest.approx(-(expected.exp() * expected).sum().item(), abs=1e-5)
        assert not logp[len(written) :].any()


def test_equal_completions_are_computed_once(monkeypatch):
    rows, part = [], Prefixes.part
    monkeypatch.setattr(Prefixes, "part", lambda self, parents: part(self, parents) or rows.append(self.used))
    draws(PROMPTS, 50, 8, temperature=0.0)
    assert max(rows) == len(PROMPTS)
    rows.clear()
    done = draws(PROMPTS[:1], 100, 3)
    assert rows[0] == len({c[:1] for c in completions_of(done)} - {(END,)}) < 5


@pytest.mark.parametrize("arch", [TINY, SPARSE])
def test_the_logits_of_texts_are_the_policys_as_they_part_and_end(arch):
    policy, stream = decoder(arch), torch_stream(0, "tree")
    texts, written = DecoderTexts(policy, PROMPTS, most=12, steps=14), PROMPTS
    for size in (4, 7, 12, 12, 9, 12, 5, 3, 8, 8, 1, 1, 6):  # rows are added, freed, taken again, moved together
        parents = torch.randint(len(written), (size,), generator=stream).sort().values
        tokens = torch.randint(arch.vocab_size, (size,), generator=stream)
        with torch.no_grad():
            texts.grow(parents, tokens)
        written = [[*written[i], token] for i, token in zip(parents.tolist(), tokens.tolist(), strict=True)]
        expected = torch.stack([log_probs(policy, ids) for ids in written])
        assert_rounded(texts.logits.log_softmax(-1), expected.float(), FORWARD)
        assert texts.cache.used <= 12


@pytest.mark.parametrize("vocabulary", [1, BLOCK - 1, BLOCK, 3 * BLOCK + 5])
def test_each_token_is_drawn_for_its_share_of_the_random_numbers(vocabulary):
    probs = torch.rand(3, vocabulary, generator=torch_stream(0, "p"))
    probs[1, ::2] = 0
    probs[1, -1] = 1e-12
    probs /= probs.sum(1, keepdim=True)
    texts = torch.arange(3).repeat_interleave(20_000)
    uniform = (torch.arange(20_000, dtype=torch.double) / 20_000).repeat(3)
    token = draw(probs, texts, uniform).view(3, -1)
    for row, found in zip(probs, token, strict=True):
        shares = torch.bincount(found, minlength=vocabulary) / 20_000
        assert (shares - row).abs().max() <= 2 / 20_000
        assert not shares[row == 0].any()


def test_a_rare_token_at_the_end_is_drawn_by_the_largest_numbers_only():
    probs = torch.full((1, 3 * BLOCK), (1 - 1e-10) / (3 * BLOCK - 1))
    probs[0, -1] = 1e-10
    uniform = torch.tensor([1 - 2e-10, 1 - 0.5e-10, 1 - 2**-53], dtype=torch.double)
    found = draw(probs.double(), torch.zeros(3, dtype=torch.long), uniform)
    assert found.tolist() == [3 * BLOCK - 4, 3 * BLOCK - 1, 3 * BLOCK - 1]


def test_a_policy_that_is_no_longer_finite_gives_tokens():
    token = draw(torch.full((2, 40), torch.nan), torch.tensor([0, 1]), torch.tensor([0.1, 0.9], dtype=torch.double))
    assert 0 <= token.min() <= token.max() < 40


def test_completions_are_distinct_by_all_that_is_judged():
    ids = torch.tensor([[3, 4], [3, 4], [3, 4], [3, 4], [3, 0], [3, 4]])
    mask = torch.tensor([[1, 1], [1, 1], [1, 0], [1, 1], [1, 0], [1, 1]]).bool()
    lengths = torch.tensor([2, 2, 2, 2, 1, 2])
    cut = torch.tensor([0, 0, 0, 1, 0, 1]).bool()
    rows, like = distinct(Completions(ids, torch.rand(6, 2), mask, lengths, cut), 6)
    assert rows.tolist() == [0, 2, 3, 4]
    assert like == [0, 0, 1, 2, 3, 2]
    rows, like = distinct(Completions(ids, torch.rand(6, 2), mask, lengths, cut), 1)
    assert rows.tolist() == like == list(range(6)), "of different prompts"
