"""Sampling: the trainer sees exactly the sampled tokens."""

import pytest
import torch
from rounding import APART

from smoothgates.policy.text import compact_text
from smoothgates.policy.tokenizer import EOS
from smoothgates.rollout.collect import join
from smoothgates.rollout.sampler import SamplingParameters
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.torch_sampler import sample
from smoothgates.seeds import torch_stream
from smoothgates.specs.rollout import Protocol
from smoothgates.tasks.task import Prompt


@pytest.fixture
def prompts(problems, tokenizer):
    return compact_text(tokenizer).prompts(Prompt(), [p.question for p in problems[:6]] + ["Eve has 9 pens"])


def draw(policy, prompts, seed=0, samples=8, end=1, limit=20):
    return sample(policy, prompts, SamplingParameters(samples, limit, (end,)), torch_stream(seed, "samples"))


def full_logprobs(policy, prompt, completion):
    ids = torch.tensor([prompt + completion])
    with torch.no_grad():
        logp = policy.logits(policy.hidden(ids)).log_softmax(-1)[0]
    return [logp[len(prompt) + t - 1, token].item() for t, token in enumerate(completion)]


def test_sampler_log_probabilities_are_the_policys(policy, prompts):
    """Left padding, cache, repetition and the removal of finished rows do not change the log-probabilities."""
    found = draw(policy, prompts)
    for row in range(0, len(found.ids), 3):
        length = int(found.mask[row].sum())
        expected = full_logprobs(policy, prompts[row // 8], found.ids[row, :length].tolist())
        assert found.logp[row, :length].tolist() == pytest.approx(expected, abs=APART)


def test_rows_end_at_the_end_token_or_at_the_limit(policy, prompts):
    with torch.no_grad():  # make the end token likely enough to be seen
        policy.model.embed_tokens.weight[1] *= 3
    found = draw(policy, prompts, end=1)
    assert 0 < found.truncated.float().mean() < 1
    for row, mask, cut in zip(found.ids.tolist(), found.mask, found.truncated, strict=True):
        length = int(mask.sum())
        assert mask[:length].all()
        assert 1 not in row[: length - 1]
        assert (row[length - 1] == 1) == (not cut)
        assert length == 20 or not cut


def test_the_mask_counts_what_was_sampled_even_if_padding_is_the_end_token(policy, prompts):
    found = draw(policy, prompts, end=0)
    lengths = found.mask.sum(1)
    assert ((found.ids == 0) & found.mask).sum() == (~found.truncated).sum()
    assert (lengths >= 1).all()


def test_sampling_is_unrestricted_and_follows_the_distribution(policy, prompts):
    """4,000 first tokens of one prompt against their probabilities: a chi-square far beyond chance would show top-k."""
    found = draw(policy, prompts[:1], samples=4000, limit=1, end=1)
    counts = torch.bincount(found.ids[:, 0], minlength=112).double()
    with torch.no_grad():
        p = policy.logits(policy.hidden(torch.tensor(prompts[:1])))[0, -1].softmax(-1).double()
    chi_square = ((counts - 4000 * p).square() / (4000 * p)).sum().item()
    assert chi_square < 111 + 5 * (2 * 111) ** 0.5
    assert (counts > 0).sum() > 100


def test_equal_seeds_give_equal_tokens(policy, prompts):
    first, again, other = draw(policy, prompts), draw(policy, prompts), draw(policy, prompts, seed=1)
    assert torch.equal(first.ids, again.ids)
    assert torch.equal(first.logp, again.logp)
    assert first.ids.shape != other.ids.shape or not torch.equal(first.ids, other.ids)


def test_joined_rows_hold_the_sampled_ids(policy, prompts):
    found = draw(policy, prompts)
    ids, starts = join(prompts, found, 8)
    for row, start in enumerate(starts.tolist()):
        length = int(found.mask[row].sum())
        assert ids[row, :start].tolist() == prompts[row // 8]
        assert torch.equal(ids[row, start : start + length], found.ids[row, :length])


def test_old_log_probabilities_are_the_trainers(policy, tokenizer, problems, collected):
    task_setup = load_task_setup("math", Protocol(reward="exact", max_new_tokens=16))
    rollout = collected(policy, tokenizer, task_setup, problems[:4])
    assert rollout.metrics["sampler_gap"] <= APART
    assert rollout.sampled.shape[0] == 16
    assert len(rollout.rows) == len(rollout.ids) == round(16 * (1 - rollout.metrics["zero_variance"]))
    assert not rollout.old_logp.requires_grad
    assert tokenizer.token_to_id(EOS) == 1
