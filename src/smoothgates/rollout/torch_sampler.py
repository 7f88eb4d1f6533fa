"""Unrestricted sampling (temperature 1, whole vocabulary) from the compact decoder, with a key-value cache.

Prompts are left-padded and prefilled once; each prompt's cache is then repeated for its samples. A slot's index is its
rotary position: attention sees differences of positions only, so padding on the left cancels out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothgates.policy.qwen2 import Cache, Qwen2

SHRINK = 0.7
"""Finished rows leave the batch once fewer than this share of it is alive: copying the cache costs time too."""


@dataclass(frozen=True)
class Completions:
    """Sampled tokens, right-padded to the longest of them; rows in prompt order, samples of a prompt side by side."""

    ids: Tensor
    """(B, W) token ids, the end token included."""
    logp: Tensor
    """(B, W) log-probability of each under the sampling policy, nats."""
    entropy: Tensor
    """(B, W) entropy of the distribution that each came from, nats."""
    mask: Tensor
    """(B, W) true on sampled tokens. Never inferred from ids: the padding id may also be sampled."""
    truncated: Tensor
    """(B,) true where no end token came within the limit."""


def draw(log_probs: Tensor, generator: torch.Generator) -> Tensor:
    """One token a row (B,) from log-probabilities (B, vocabulary), by inverting the cumulative distribution.

    In double precision: a single-precision sum would end below 1 and round the rarest tokens away.
    """
    cumulative = log_probs.double().exp().cumsum(-1)
    uniform = torch.rand(len(log_probs), 1, dtype=torch.double, generator=generator)
    token = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).squeeze(1)
    return token.clamp(max=log_probs.shape[1] - 1)  # rounding, or a policy that is no longer finite


@torch.no_grad()
def sample(
    policy: Qwen2,
    prompts: list[list[int]],
    samples: int,
    max_new_tokens: int,
    end: int,
    generator: torch.Generator,
) -> Completions:
    """Sample `samples` completions of each prompt, up to and including the token `end`."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    real = torch.tensor([[False] * (width - len(p)) + [True] * len(p) for p in prompts])
    slots = width + max_new_tokens
    bias = torch.zeros(len(prompts), 1, 1, 1, slots)
    bias[..., :width].masked_fill_(~real[:, None, None, None], -torch.inf)
    causal = torch.full((width, width), -torch.inf).triu(1)
    # A padding query may see itself, or its softmax would be 0/0.
    prefill_bias = (bias[..., :width] + causal).masked_fill(torch.eye(width, dtype=torch.bool), 0.0)

    cache = Cache(policy.arch, len(prompts), slots)
    hidden = policy.hidden(ids, lambda x: x[:, -1], cache, 0, prefill_bias)
    repeat = torch.arange(len(prompts)).repeat_interleave(samples)
    cache.select(repeat)
    hidden, bias = hidden[repeat], bias[repeat]

    total = len(repeat)
    tokens = torch.full((total, max_new_tokens), end)
    logp, entropy = torch.zeros(2, total, max_new_tokens)
    mask = torch.zeros(total, max_new_tokens, dtype=torch.bool)
    ended = torch.zeros(total, dtype=torch.bool)
    rows = torch.arange(total)  # which completion each row of the batch is
    live = torch.ones(total, dtype=torch.bool)  # which rows of the batch still write
    for t in range(max_new_tokens):
        log_probs = policy.logits(hidden).log_softmax(-1)
        token = draw(log_probs, generator)
        tokens[rows[live], t] = token[live]
        logp[rows[live], t] = log_probs.gather(1, token.unsqueeze(1)).squeeze(1)[live]
        entropy[rows[live], t] = -(log_probs.exp() * log_probs).sum(1)[live]
        mask[rows[live], t] = True
        ended[rows[live]] = (token == end)[live]
        live = live & (token != end)
        alive = int(live.sum())
        if alive == 0 or t == max_new_tokens - 1:
            break
        if alive < SHRINK * len(rows):
            keep = live.nonzero().squeeze(1)
            cache.select(keep)
            rows, bias, token, live = rows[keep], bias[keep], token[keep], live[keep]
        slot = width + t
        hidden = policy.hidden(token.unsqueeze(1), lambda x: x[:, -1], cache, slot, bias[..., : slot + 1])
    longest = int(mask.sum(dim=1).max())
    return Completions(*(x[:, :longest] for x in (tokens, logp, entropy, mask)), truncated=~ended)
