"""One rollout: prompts → completions → verdicts → advantages, ready to train on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import compress

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.text import Text
from smoothgates.rollout.conversation import Conversation
from smoothgates.rollout.prompt_limit import check_fit
from smoothgates.rollout.sampler import Completions, Sampler
from smoothgates.rollout.task_setup import Setting
from smoothgates.tasks.task import Example, Verdict

Score = Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor, Tensor]]
"""Rows (N, T), first completion positions (N,), completion lengths (N,) and W → the trainer's log-probabilities (N, W),
the order (epochs, N) in which the rows will be trained on, and the experts (N, T, L, K) of their tokens."""


@dataclass(frozen=True)
class Answers:
    """Completions of some examples with their verdicts, rows in the order of the examples."""

    prompts: list[list[int]]
    completions: Completions
    texts: list[str]
    verdicts: list[Verdict]
    replies: list[int]
    """How often the tools answered in each completion."""


@dataclass(frozen=True)
class Rollout:
    """Completions as the trainer needs them: rows of prompt + completion, T tokens, W completion places.

    Completions of a group whose rewards are all equal have Â = 0. They are left out of the N rows to train on, but
    count in `sampled`, by which the loss is divided: the same gradient, at half the cost late in training.
    """

    ids: Tensor
    """(N, T) right-padded."""
    starts: Tensor
    """(N,) first completion position."""
    lengths: Tensor
    """(N,) completion tokens, what tools replied included."""
    mask: Tensor
    """(N, W) true on sampled tokens."""
    old_logp: Tensor
    """(N, W) the trainer's own log-probabilities at sampling time: the denominator of the ratio."""
    sampler_logp: Tensor
    """(N, W) the sampler's, which differ by its rounding."""
    order: Tensor
    """(epochs, N) the rows in the order in which each epoch trains on them."""
    rows: Tensor
    """(N,) which of the B completions these are."""
    rewards: Tensor
    """(P, G) of all B = P·G completions."""
    sampled: Tensor
    """(B, W) mask of all B completions."""
    facts: dict[str, float]
    """What to log of this rollout."""
    routes: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0, 0, dtype=torch.uint8))
    """(N, T, L, K) the K experts of each token in each of L layers, when the old log-probabilities were taken; L and K
    are 0 where the policy has none."""


def answer(
    sampler: Sampler,
    text: Text,
    setting: Setting,
    examples: list[Example],
    samples: int,
    generator: torch.Generator,
    temperature: float = 1.0,
) -> Answers:
    """Sample answers and judge them. Token ids go in and come out; text is only what tools and verifiers read."""
    prompt, protocol = setting.prompt, setting.protocol
    prompts = text.prompts(prompt, [example.question for example in examples])
    check_fit(examples, prompts, setting)
    asked = [example for example in examples for _ in range(samples)]

    def decoded(rows: list[list[int]]) -> list[str]:
        return [prompt.prefill + found for found in text.tokenizer.decode_batch(rows)]

    talk = None
    if setting.environment:
        talk = Conversation(text.tokenizer, setting.environment, asked, protocol.tools.max_reply_tokens)
    completions = sampler.sample(
        prompts,
        samples,
        protocol.max_new_tokens,
        list(text.ends),
        generator,
        temperature,
        talk and talk.tools(),
    )
    rows = list(zip(completions.ids.tolist(), completions.lengths.tolist(), completions.mask.tolist(), strict=True))
    texts = decoded([row[:length] for row, length, _ in rows])
    own = decoded([list(compress(row[:length], mask)) for row, length, mask in rows]) if talk else texts
    verdicts = setting.judge(list(zip(own, asked, completions.truncated.tolist(), strict=True)))
    replies = [talk.replies[row] if talk else 0 for row in range(len(asked))]
    return Answers(prompts, completions, texts, verdicts, replies)


@torch.no_grad()
def collect(
    sampler: Sampler,
    text: Text,
    setting: Setting,
    examples: list[Example],
    group: int,
    generator: torch.Generator,
    score: Score,
    ranks: Ranks,
) -> Rollout:
    """Sample a group of answers to each example, and score the tokens to train on with the trainer's kernels.

    Each rank samples its share, and all get the whole: what follows is the same however many there are. Old
    log-probabilities never come from the sampler: its rounding would be read as policy change, and narrow gates would
    close on noise. The gap between the two is logged.
    """
    with ranks.failing_together():
        own = answer(sampler, text, setting, ranks.shard(examples), group, ranks.generator(generator))
        sampler.rest()
    answers = merged([restored(each) for each in ranks.gather(plain(own))])
    completions, sampled = answers.completions, answers.completions.mask
    rewards = torch.tensor([verdict.reward for verdict in answers.verdicts]).view(-1, group)
    varied = (rewards.amax(1) > rewards.amin(1)).repeat_interleave(group).nonzero().squeeze(1)
    ids, starts = join(answers.prompts, completions, group)
    ids, starts, lengths, mask = ids[varied], starts[varied], completions.lengths[varied], sampled[varied]
    old_logp, order, routes = score(ids, starts, lengths, mask.shape[1])
    sampler_logp = completions.logp[varied]
    gap = (sampler_logp - old_logp)[mask].abs()
    reasons = [verdict.reason for verdict in answers.verdicts]
    # Where the sampler does not tell it: the mean surprise of what was sampled is an unbiased estimate.
    surprise = completions.entropy if completions.entropy is not None else -completions.logp
    facts = {
        "reward": rewards.mean().item(),
        "correct": reasons.count("correct") / len(reasons),
        "zero_variance": 1 - len(varied) / rewards.numel(),
        "length": sampled.sum(1).float().mean().item(),
        "replies": sum(answers.replies) / len(answers.replies),
        "truncated": reasons.count("truncated") / len(reasons),
        "unparsable": reasons.count("unparsable") / len(reasons),
        "timeout": reasons.count("timeout") / len(reasons),
        "entropy": surprise[sampled].mean().item(),
        "sampler_gap": gap.max().item() if gap.numel() else 0.0,
        "sampler_gap_mean": gap.mean().item() if gap.numel() else 0.0,
    }
    return Rollout(ids, starts, lengths, mask, old_logp, sampler_logp, order, varied, rewards, sampled, facts, routes)


def plain(answers: Answers) -> dict:
    """Answers as ranks exchange them."""
    verdicts = [vars(verdict) for verdict in answers.verdicts]
    return {**vars(answers), "completions": vars(answers.completions), "verdicts": verdicts}


def restored(found: dict) -> Answers:
    """The inverse of `plain`."""
    verdicts = [Verdict(**verdict) for verdict in found["verdicts"]]
    return Answers(**{**found, "completions": Completions(**found["completions"]), "verdicts": verdicts})


def merged(parts: list[Answers]) -> Answers:
    """Answers of several ranks as if one had given them all."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.completions.ids.shape[1] for part in parts)

    def rows(name: str) -> Tensor | None:
        tensors = [getattr(part.completions, name) for part in parts]
        if tensors[0] is None:
            return None
        return torch.cat([t if t.dim() == 1 else F.pad(t, (0, width - t.shape[1])) for t in tensors])

    names = ("ids", "logp", "mask", "lengths", "truncated", "entropy")
    return Answers(
        [prompt for part in parts for prompt in part.prompts],
        Completions(*map(rows, names)),
        [text for part in parts for text in part.texts],
        [verdict for part in parts for verdict in part.verdicts],
        [count for part in parts for count in part.replies],
    )


def join(prompts: list[list[int]], completions: Completions, group: int) -> tuple[Tensor, Tensor]:
    """Rows of prompt + completion (B, T), right-padded, and where each completion starts (B,)."""
    width = completions.ids.shape[1]
    starts = torch.tensor([len(prompt) for prompt in prompts]).repeat_interleave(group)
    ids = torch.zeros(len(starts), int(starts.max()) + width, dtype=torch.long)
    for row, (start, completion) in enumerate(zip(starts.tolist(), completions.ids, strict=True)):
        ids[row, :start] = torch.tensor(prompts[row // group])
        ids[row, start : start + width] = completion
    return ids, starts
