"""Sampling from the compact decoder with a key-value cache: unrestricted (no top-k, no top-p), with tools.

Prompts are left-padded and prefilled once; the cache of each prompt is then repeated for its samples. The index of a
cache slot is its rotary position: attention depends on differences of positions only, so left padding changes nothing.
All rows advance by one token a step. Where a tool has replied, the token is the tool's instead of the policy's.
"""

from pathlib import Path

import torch
from torch import Tensor

from smoothgates.policy.decoder import Cache, Decoder
from smoothgates.policy.load import update_decoder
from smoothgates.rollout.sampler import Completions, SamplingParameters, Tools, check_positions

SHRINK = 0.7
"""Finished rows leave the batch once fewer than this share of the rows is alive: copying the cache takes time too."""


class TorchSampler:
    """See `Sampler`."""

    def __init__(self, policy: Decoder):
        self.policy = policy

    def sample(
        self,
        prompts: list[list[int]],
        parameters: SamplingParameters,
        generator: torch.Generator,
        tools: Tools | None = None,
    ) -> Completions:
        return sample(self.policy, prompts, parameters, generator, tools)

    @torch.no_grad()
    def score(self, rows: list[list[int]]) -> list[list[float]]:
        found = []
        for row in rows:
            logp = self.policy.logits(self.policy.hidden(torch.tensor([row[:-1]]))).log_softmax(-1)
            found.append(logp[0].gather(1, torch.tensor(row[1:]).unsqueeze(1)).squeeze(1).tolist())
        return found

    def load(self, folder: Path) -> None:
        update_decoder(self.policy, folder)

    def rest(self) -> None:
        pass

    def close(self) -> None:
        pass


def choose(log_probs: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """One token a row (B,) from log-probabilities (B, vocabulary) at temperature 1."""
    if temperature == 0:
        return log_probs.argmax(-1)
    return draw(log_probs if temperature == 1 else (log_probs / temperature).log_softmax(-1), generator)


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
    parameters: SamplingParameters,
    generator: torch.Generator,
    tools: Tools | None = None,
) -> Completions:
    """See `Sampler.sample`."""
    width = max(map(len, prompts))
    steps = parameters.max_new_tokens + (tools.room if tools else 0)
    slots = width + steps
    check_positions(policy.arch.max_position_embeddings, width, steps)
    cache, hidden, bias = prefill(policy, prompts, width, slots)
    repeat = torch.arange(len(prompts)).repeat_interleave(parameters.samples)
    cache.select(repeat)
    hidden, bias = hidden[repeat], bias[repeat]

    total = len(repeat)
    ids = torch.full((total, steps), parameters.ends[0])
    logp, entropy = torch.zeros(2, total, steps)
    mask = torch.zeros(total, steps, dtype=torch.bool)
    replies = Replies(tools, total, steps) if tools else None
    lengths, written = torch.zeros(2, total, dtype=torch.long)
    truncated = torch.zeros(total, dtype=torch.bool)
    ending = torch.tensor(parameters.ends)
    rows = torch.arange(total)  # the completion of each row of the batch
    live = torch.ones(total, dtype=torch.bool)  # rows of the batch that are not finished
    for t in range(steps):
        log_probs = policy.logits(hidden).log_softmax(-1)
        token = choose(log_probs, parameters.temperature, generator)
        own = live
        if replies:
            inserted = replies.planned[rows, t]
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
        if replies:
            over |= replies.request(ids, rows, own & ~over & tools.watches(token), t)
        spent = own & ~over & (written[rows] == parameters.max_new_tokens)
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
    """Cache of left-padded prompts, their last hidden states (P, H), and a bias (P, 1, 1, 1, S) that masks padding."""
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    real = torch.tensor([[False] * (width - len(p)) + [True] * len(p) for p in prompts])
    bias = torch.zeros(len(prompts), 1, 1, 1, slots)
    bias[..., :width].masked_fill_(~real[:, None, None, None], -torch.inf)
    causal = torch.full((width, width), -torch.inf).triu(1)
    # A padding query may see itself, or its softmax would be 0/0.
    prefill_bias = (bias[..., :width] + causal).masked_fill(torch.eye(width, dtype=torch.bool), 0.0)
    cache = Cache(policy.arch, len(prompts), slots)
    return cache, policy.hidden(ids, lambda x: x[:, -1], cache, 0, prefill_bias), bias


class Replies:
    """Tools' replies to a batch of B completions: each is planned when a turn ends, and inserted token by token."""

    def __init__(self, tools: Tools, total: int, steps: int):
        self.tools = tools
        self.planned = torch.full((total, steps), -1)
        """(B, steps) reply tokens at the positions where they will be inserted, -1 elsewhere."""
        self.turn = torch.zeros(total, dtype=torch.long)
        """(B,) first position of the policy's current turn."""

    def request(self, ids: Tensor, rows: Tensor, asking: Tensor, t: int) -> Tensor:
        """Ask the tools about the rows of the batch that may have ended a turn at position t.

        `ids`: (B, steps) the completions so far. `rows`: (b,) the completion of each row of the batch. `asking`: (b,)
        the rows to ask about. Returns (b,) true where the tools end the completion.
        """
        over = torch.zeros(len(rows), dtype=torch.bool)
        places = asking.nonzero().squeeze(1).tolist()
        if not places:
            return over
        completions = rows[places].tolist()
        turns = [ids[row, self.turn[row] : t + 1].tolist() for row in completions]
        for place, row, reply in zip(places, completions, self.tools.respond(completions, turns), strict=True):
            if reply is None:
                over[place] = True
            elif reply:
                self.turn[row] = t + 1 + len(reply)
                self.planned[row, t + 1 : self.turn[row]] = torch.tensor(reply)
        return over
