"""Sampling from the compact decoder with a key-value cache: unrestricted (no top-k, no top-p), tools included.

Prompts are left-padded and prefilled once; each prompt's cache is then repeated for its samples. A slot's index is its
rotary position: attention sees differences of positions only, so padding on the left cancels out. All rows advance by
one token a step; where a tool has answered, the token is the tool's instead of the policy's.
"""

from pathlib import Path

import torch
from torch import Tensor

from smoothgates.errors import BadInput
from smoothgates.policy.decoder import Cache, Decoder
from smoothgates.policy.folder import fill
from smoothgates.rollout.sampler import Completions, Tools

SHRINK = 0.7
"""Finished rows leave the batch once fewer than this share of it is alive: copying the cache costs time too."""


class TorchSampler:
    """See `Sampler`."""

    def __init__(self, policy: Decoder):
        self.policy = policy

    def sample(self, *what, **how) -> Completions:
        return sample(self.policy, *what, **how)

    @torch.no_grad()
    def score(self, rows: list[list[int]]) -> list[list[float]]:
        found = []
        for row in rows:
            logp = self.policy.logits(self.policy.hidden(torch.tensor([row[:-1]]))).log_softmax(-1)
            found.append(logp[0].gather(1, torch.tensor(row[1:]).unsqueeze(1)).squeeze(1).tolist())
        return found

    def load(self, folder: Path) -> None:
        fill(self.policy, folder)

    def rest(self) -> None:
        pass

    def close(self) -> None:
        pass


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
    policy: Decoder,
    prompts: list[list[int]],
    samples: int,
    max_new_tokens: int,
    ends: list[int],
    generator: torch.Generator,
    temperature: float = 1.0,
    tools: Tools | None = None,
) -> Completions:
    """As `Sampler.sample`."""
    width = max(map(len, prompts))
    steps = max_new_tokens + (tools.room if tools else 0)
    slots = width + steps
    if slots > policy.arch.max_position_embeddings:
        raise BadInput(
            f"architecture.max_position_embeddings: {policy.arch.max_position_embeddings} is too few for prompts of up "
            f"to {width} tokens and completions of up to {steps}"
        )
    cache, hidden, bias = prefill(policy, prompts, width, slots)
    repeat = torch.arange(len(prompts)).repeat_interleave(samples)
    cache.select(repeat)
    hidden, bias = hidden[repeat], bias[repeat]

    total = len(repeat)
    ids = torch.full((total, steps), ends[0])
    logp, entropy = torch.zeros(2, total, steps)
    mask = torch.zeros(total, steps, dtype=torch.bool)
    planned = torch.full((total, steps), -1)  # tokens of replies, at the places where they will be inserted
    turn = torch.zeros(total, dtype=torch.long)  # where each row's current turn of the policy begins
    lengths, written = torch.zeros(2, total, dtype=torch.long)
    truncated = torch.zeros(total, dtype=torch.bool)
    ending = torch.tensor(ends)
    rows = torch.arange(total)  # which completion each row of the batch is
    live = torch.ones(total, dtype=torch.bool)  # which rows of the batch still write
    for t in range(steps):
        log_probs = policy.logits(hidden).log_softmax(-1)
        if temperature == 0:
            token = log_probs.argmax(-1)
        else:
            token = draw(log_probs if temperature == 1 else (log_probs / temperature).log_softmax(-1), generator)
        inserted = planned[rows, t]
        own = live & (inserted < 0)
        token = token.where(inserted < 0, inserted)

        ids[rows[live], t] = token[live]
        lengths[rows[live]] = t + 1
        mine = rows[own]
        logp[mine, t] = log_probs.gather(1, token.unsqueeze(1)).squeeze(1)[own]
        entropy[mine, t] = -(log_probs.exp() * log_probs).sum(1)[own]
        mask[mine, t] = True
        written[mine] += 1
        over = own & torch.isin(token, ending)
        if tools:
            over |= converse(tools, ids, planned, turn, rows, own & ~over & tools.watches(token), t)
        spent = own & ~over & (written[rows] == max_new_tokens)
        truncated[rows[spent]] = True
        live = live & ~over & ~spent
        alive = int(live.sum())
        if alive == 0:
            break
        if alive < SHRINK * len(rows):
            keep = live.nonzero().squeeze(1)
            cache.select(keep)
            rows, bias, token, live = rows[keep], bias[keep], token[keep], live[keep]
        slot = width + t
        hidden = policy.hidden(token.unsqueeze(1), lambda x: x[:, -1], cache, slot, bias[..., : slot + 1])
    longest = int(lengths.max())
    ids, logp, mask, entropy = (x[:, :longest] for x in (ids, logp, mask, entropy))
    return Completions(ids, logp, mask, lengths, truncated, entropy)


def prefill(policy: Decoder, prompts: list[list[int]], width: int, slots: int) -> tuple[Cache, Tensor, Tensor]:
    """Cache of left-padded prompts, their last hidden states (P, H), and a bias (P, 1, 1, 1, S) that hides padding."""
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    real = torch.tensor([[False] * (width - len(p)) + [True] * len(p) for p in prompts])
    bias = torch.zeros(len(prompts), 1, 1, 1, slots)
    bias[..., :width].masked_fill_(~real[:, None, None, None], -torch.inf)
    causal = torch.full((width, width), -torch.inf).triu(1)
    # A padding query may see itself, or its softmax would be 0/0.
    prefill_bias = (bias[..., :width] + causal).masked_fill(torch.eye(width, dtype=torch.bool), 0.0)
    cache = Cache(policy.arch, len(prompts), slots)
    return cache, policy.hidden(ids, lambda x: x[:, -1], cache, 0, prefill_bias), bias


def converse(tools: Tools, ids: Tensor, planned: Tensor, turn: Tensor, rows: Tensor, asked: Tensor, t: int) -> Tensor:
    """Let the tools answer the rows (of the batch) that are `asked`; returns which of all rows are over.

    Replies are written into `planned` from place t + 1 on, and the row's next `turn` begins behind them.
    """
    over = torch.zeros(len(rows), dtype=torch.bool)
    places = asked.nonzero().squeeze(1).tolist()
    if not places:
        return over
    completions = rows[places].tolist()
    turns = [ids[row, turn[row] : t + 1].tolist() for row in completions]
    for place, row, reply in zip(places, completions, tools.respond(completions, turns), strict=True):
        if reply is None:
            over[place] = True
        elif reply:
            turn[row] = t + 1 + len(reply)
            planned[row, t + 1 : turn[row]] = torch.tensor(reply)
    return over
