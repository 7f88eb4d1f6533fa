"""Sampling from the compact decoder: unrestricted (no top-k, no top-p), with tools.

Completions of a prompt that are equal so far are computed once, as one text; each draws its next token with a random
number of its own, so its tokens do not depend on which others it shares a text with. All texts grow by one token a
step. Where a tool has replied, the token is the tool's instead of the policy's.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.load import update_decoder
from smoothgates.rollout.sampler import Completions, SamplingParameters, Tools, check_positions, padded
from smoothgates.rollout.texts import DecoderTexts, Texts

BLOCK = 16
"""Tokens of a block, one of which is drawn."""
EPSILON = torch.finfo(torch.double).eps


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


class Chooser:
    """Chooses the tokens of B completions, those of the same prompt side by side."""

    def __init__(self, parameters: SamplingParameters, prompts: int, steps: int, generator: torch.Generator):
        """`steps`: most tokens of a completion."""
        samples, greedy = parameters.samples, int(parameters.greedy)
        self.temperature = parameters.temperature
        self.greedy = torch.tensor(parameters.temperatures).repeat(prompts) == 0
        """(B,) whether to take the most likely token."""
        uniform = torch.rand(prompts, samples, steps, dtype=torch.double, generator=generator)
        self.uniform = F.pad(uniform, (0, 0, 0, greedy)).flatten(0, 1)
        """(B, steps) the random number of each token. Which numbers a sample gets depends on its place alone."""
        self.any_greedy, self.all_greedy = bool(self.greedy.any()), bool(self.greedy.all())

    def choose(self, log_probs: Tensor, probs: Tensor, texts: Tensor, rows: Tensor, t: int) -> Tensor:
        """The tokens (n,) at position t of completions `rows` (n,), whose texts so far are `texts` (n,).

        `log_probs`, `probs`: (texts, vocabulary) of the next token at temperature 1.
        """
        if self.all_greedy:
            return log_probs.argmax(-1)[texts]
        if self.temperature != 1:
            probs = (log_probs / self.temperature).softmax(-1)
        token = draw(probs, texts, self.uniform[rows, t])
        return torch.where(self.greedy[rows], log_probs.argmax(-1)[texts], token) if self.any_greedy else token


def draw(probs: Tensor, texts: Tensor, uniform: Tensor) -> Tensor:
    """A token (n,) for each random number (n,), from the distribution (texts, vocabulary) of its text.

    A block of tokens is drawn first, then one of its tokens: cumulative sums over a large vocabulary take time.
    """
    blocks = F.pad(probs, (0, -probs.shape[1] % BLOCK)).unflatten(1, (BLOCK, -1))  # of tokens that are far apart
    block, rest = invert(blocks.sum(1)[texts], uniform)
    place, _ = invert(blocks[texts, :, block], rest)
    return (place * blocks.shape[2] + block).clamp_(max=probs.shape[1] - 1)  # a policy that is no longer finite


def invert(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """An index (n,) with probability in proportion to weights (n, K), by inverting their cumulative sum.

    Also returns what is left of the random number (n,): uniform again, and independent of the index. In double
    precision: a single-precision sum would end below 1 and round the rarest away.
    """
    ends = weights.cumsum(-1, dtype=torch.double)
    at = uniform.unsqueeze(1) * ends[:, -1:]
    index = torch.searchsorted(ends, at, right=True).clamp_(max=weights.shape[1] - 1)
    own = weights.gather(1, index)
    rest = (at - (ends.gather(1, index) - own)) / own
    return index.squeeze(1), rest.clamp_(0.0, 1 - EPSILON).squeeze(1)


@torch.no_grad()
def sample(
    policy: Decoder,
    prompts: list[list[int]],
    parameters: SamplingParameters,
    generator: torch.Generator,
    tools: Tools | None = None,
) -> Completions:
    """See `Sampler.sample`."""
    steps = parameters.max_new_tokens + (tools.room if tools else 0)
    check_positions(policy.arch.max_position_embeddings, max(map(len, prompts)), steps)
    texts = DecoderTexts(policy, prompts, len(prompts) * len(parameters.temperatures), steps)
    return complete(texts, len(prompts), parameters, generator, tools)


def complete(
    texts: Texts, prompts: int, parameters: SamplingParameters, generator: torch.Generator, tools: Tools | None
) -> Completions:
    """Completions of `texts`, which are prompts, so many. See `Sampler.sample`."""
    steps = parameters.max_new_tokens + (tools.room if tools else 0)
    chooser = Chooser(parameters, prompts, steps, generator)
    total, vocabulary = prompts * len(parameters.temperatures), texts.logits.shape[1]
    ids = torch.full((total, steps), parameters.ends[0])
    logp, entropy = facts = torch.zeros(2, total, steps)
    mask = torch.zeros(total, steps, dtype=torch.bool)
    lengths = torch.zeros(total, dtype=torch.long)
    truncated = torch.zeros(total, dtype=torch.bool)
    ending = torch.zeros(max(vocabulary, *parameters.ends) + 1, dtype=torch.bool)
    ending[list(parameters.ends)] = True
    replies = Replies(tools, total, steps) if tools else None
    rows = torch.arange(total)  # the completions that are not finished
    text = torch.arange(prompts).repeat_interleave(total // prompts)  # the text of each
    for t in range(steps):
        log_probs = texts.logits.log_softmax(-1)
        probs = log_probs.exp()
        token = chooser.choose(log_probs, probs, text, rows, t)
        own = torch.ones(len(rows), dtype=torch.bool)
        if replies:
            inserted = replies.planned[rows, t]
            own = inserted < 0
            token = token.where(own, inserted)
        ids[rows, t], mask[rows, t] = token, own
        surprise = torch.stack([log_probs[text, token], -(probs * log_probs).sum(-1)[text]])
        facts[:, rows, t] = surprise.where(own, 0.0)
        over, sampled = own & ending[token], t + 1
        if replies:
            sampled = t + 1 - replies.tokens[rows]
            over |= replies.request(ids, rows, own & ~over & tools.watches(token), t)
        spent = own & ~over & (sampled == parameters.max_new_tokens)
        live = (~(over | spent)).nonzero().squeeze(1)
        if len(live) < len(rows):
            lengths[rows], truncated[rows] = t + 1, spent  # final for those that are not live
        if not len(live):
            break
        rows = rows[live]
        # Texts that were one and got different tokens part here.
        grown, text = torch.unique(text[live] * vocabulary + token[live], return_inverse=True)
        texts.grow(grown // vocabulary, grown % vocabulary)
    longest = int(lengths.max())
    ids, logp, mask, entropy = (x[:, :longest] for x in (ids, logp, mask, entropy))
    return Completions(ids, logp, mask, lengths, truncated, entropy)


class Replies:
    """Tools' replies to a batch of B completions: each is planned when a turn ends, and inserted token by token."""

    def __init__(self, tools: Tools, total: int, steps: int):
        self.tools = tools
        self.planned = torch.full((total, steps), -1)
        """(B, steps) reply tokens at the positions where they will be inserted, -1 elsewhere."""
        self.turn = torch.zeros(total, dtype=torch.long)
        """(B,) first position of the policy's current turn."""
        self.tokens = torch.zeros(total, dtype=torch.long)
        """(B,) tokens of all replies to a completion so far."""

    def request(self, ids: Tensor, rows: Tensor, asking: Tensor, t: int) -> Tensor:
        """Ask the tools about completions that may have ended a turn at position t.

        `ids`: (B, steps) the completions so far. `rows`: (n,) those that are not finished. `asking`: (n,) which of them
        to ask about. Returns (n,) true where the tools end the completion.
        """
        asked = rows[asking]
        written, begins = ids[asked, : t + 1].tolist(), self.turn[asked].tolist()
        turns = [row[begin:] for row, begin in zip(written, begins, strict=True)]
        answers = self.tools.respond(asked.tolist(), turns) if turns else []
        self._plan(asked, answers, t + 1)
        over = torch.zeros_like(asking)
        over[asking] = torch.tensor([answer is None for answer in answers], dtype=torch.bool)
        return over

    def _plan(self, asked: Tensor, answers: list[list[int] | None], begin: int) -> None:
        """Insert the answers that are replies from position `begin`."""
        replied = [i for i, answer in enumerate(answers) if answer]
        if replied:
            rows, reply = asked[replied], padded([answers[i] for i in replied], torch.long, fill=-1)
            self.planned[rows, begin : begin + reply.shape[1]] = reply
            lengths = (reply >= 0).sum(1)
            self.turn[rows] = begin + lengths
            self.tokens[rows] += lengths
