"""One rollout: prompts → completions → verdicts → rows to train on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import compress
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.text import Text
from smoothgates.rollout.prompt_limit import check_prompt_lengths
from smoothgates.rollout.sampler import Completions, Sampler, SamplingParameters
from smoothgates.rollout.task_setup import TaskSetup
from smoothgates.rollout.token_environment import TokenEnvironment
from smoothgates.tasks.task import Example, Verdict

ScoreRows = Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor, Tensor]]
"""The trainer's part of a rollout. From the rows to train on: ids (N, T), first completion positions (N,), completion
lengths (N,) and the width W; to the trainer's log-probabilities (N, W), the order (epochs, N) in which it will train on
the rows, and the experts (N, T, L, K) of their tokens."""


@dataclass(frozen=True)
class JudgedCompletions:
    """Completions of some examples with their verdicts, in the order of the examples."""

    prompts: list[list[int]]
    completions: Completions
    texts: list[str]
    verdicts: list[Verdict]
    replies: list[int]
    """Tools' replies in each completion."""


@dataclass(frozen=True)
class Actor:
    """A policy at work on a task: what writes completions, the policy's text interface, and how the task is set up."""

    sampler: Sampler
    text: Text
    task_setup: TaskSetup

    def prompts(self, examples: list[Example]) -> list[list[int]]:
        """Token ids of the prompt of each example. Raises BadInput if one is longer than the protocol allows."""
        prompts = self.text.prompts(self.task_setup.prompt, [example.question for example in examples])
        check_prompt_lengths(examples, prompts, self.task_setup)
        return prompts

    def answer(
        self,
        examples: list[Example],
        samples: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        greedy: bool = False,
        prompts: list[list[int]] | None = None,
    ) -> JudgedCompletions:
        """Sample completions of each example and judge them. Equal completions of an example are judged once.

        The policy reads and writes token ids; only tools and verifiers read text. `greedy`: whether one more completion
        of each example, after its samples, takes the most likely tokens. `prompts`: those of the examples, if known.
        Raises BadInput if a prompt is longer than the protocol allows.
        """
        protocol, environment = self.task_setup.protocol, self.task_setup.environment
        prompts = self.prompts(examples) if prompts is None else prompts
        parameters = SamplingParameters(samples, protocol.max_new_tokens, self.text.ends, temperature, greedy)
        repeated = [example for example in examples for _ in parameters.temperatures]
        calls = None
        if environment:
            calls = TokenEnvironment(self.text.tokenizer, environment, repeated, protocol.tools.max_reply_tokens)
        completions = self.sampler.sample(prompts, parameters, generator, calls and calls.tools())
        firsts, like = distinct(completions, len(parameters.temperatures))
        texts, verdicts = self.judge(completions.of(firsts), [repeated[row] for row in firsts.tolist()])
        replies = [calls.replies[row] if calls else 0 for row in range(len(repeated))]
        return JudgedCompletions(prompts, completions, [texts[i] for i in like], [verdicts[i] for i in like], replies)

    def judge(self, completions: Completions, examples: list[Example]) -> tuple[list[str], list[Verdict]]:
        """Texts of completions, one of each example, and the verdicts on them."""
        prefill = self.task_setup.prompt.prefill

        def decode(rows: list[list[int]]) -> list[str]:
            return [prefill + text for text in self.text.tokenizer.decode_batch(rows)]

        rows = list(zip(completions.ids.tolist(), completions.lengths.tolist(), completions.mask.tolist(), strict=True))
        texts = written = decode([ids[:length] for ids, length, _ in rows])
        if self.task_setup.environment:
            written = decode([list(compress(ids[:length], mask)) for ids, length, mask in rows])
        return texts, self.task_setup.judge(list(zip(written, examples, completions.truncated.tolist(), strict=True)))


def distinct(completions: Completions, each: int) -> tuple[Tensor, list[int]]:
    """The first of the equal completions of each prompt, which has `each` of them.

    Returns their rows (n,), and for every row the index in 0 … n − 1 of the one that it is equal to.
    """
    prompt = (torch.arange(len(completions.ids)) // each).unsqueeze(1)
    facts = (completions.ids, completions.mask, completions.lengths.unsqueeze(1), completions.truncated.unsqueeze(1))
    keys = [row.tobytes() for row in torch.cat([prompt, *facts], dim=1).numpy()]
    firsts: dict[bytes, int] = {}
    like = [firsts.setdefault(key, len(firsts)) for key in keys]
    rows = dict(zip(reversed(like), reversed(range(len(like))), strict=True))
    return torch.tensor([rows[i] for i in range(len(firsts))]), like


@dataclass(frozen=True)
class Rollout:
    """Completions as the trainer needs them: N rows of prompt + completion, T tokens, W of them completion.

    A group of completions with equal rewards has Â = 0. Its rows are not trained on, but they count in `sampled`, by
    which the loss is divided: the same gradient, at half the cost late in training.
    """

    ids: Tensor
    """(N, T) right-padded."""
    starts: Tensor
    """(N,) first completion position."""
    lengths: Tensor
    """(N,) completion tokens, tools' replies included."""
    mask: Tensor
    """(N, W) true on sampled tokens."""
    old_logp: Tensor
    """(N, W) the trainer's log-probabilities at sampling time, in nats: the denominator of the ratio."""
    sampler_logp: Tensor
    """(N, W) the sampler's, which differ by rounding."""
    order: Tensor
    """(epochs, N) the order in which each epoch trains on the rows."""
    rows: Tensor
    """(N,) index of each row among all B completions."""
    rewards: Tensor
    """(P, G) of all B = P·G completions."""
    sampled: Tensor
    """(B, W) mask of all B completions."""
    metrics: dict[str, float]
    """Metrics of this rollout, by their column in metrics.parquet."""
    routes: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0, 0, dtype=torch.uint8))
    """(N, T, L, K) the K experts of each token in each of L layers, when the old log-probabilities were computed. L and
    K are 0 if the policy has no experts."""


@torch.no_grad()
def collect(
    actor: Actor,
    examples: list[Example],
    group: int,
    generator: torch.Generator,
    score_rows: ScoreRows,
    ranks: Ranks,
) -> Rollout:
    """Sample a group of completions of each example, and score the rows to train on with the trainer's kernels.

    Each rank samples its share, and every rank receives all of them. The sampler's log-probabilities are never the old
    ones: its rounding would look like a change of policy, and narrow gates would close on noise. The gap between the
    two is a metric.
    """
    with ranks.failing_together():
        own = actor.answer(ranks.shard(examples), group, ranks.generator(generator))
        actor.sampler.rest()
    judged = concatenate([restored(part) for part in ranks.gather(plain(own))])
    completions, sampled = judged.completions, judged.completions.mask
    rewards = torch.tensor([verdict.reward for verdict in judged.verdicts]).view(-1, group)
    varied = (rewards.amax(1) > rewards.amin(1)).repeat_interleave(group).nonzero().squeeze(1)
    ids, starts = join(judged.prompts, completions, group)
    ids, starts, lengths, mask = ids[varied], starts[varied], completions.lengths[varied], sampled[varied]
    old_logp, order, routes = score_rows(ids, starts, lengths, mask.shape[1])
    sampler_logp = completions.logp[varied]
    metrics = rollout_metrics(judged, rewards, len(varied), (sampler_logp - old_logp)[mask].abs())
    return Rollout(
        ids=ids,
        starts=starts,
        lengths=lengths,
        mask=mask,
        old_logp=old_logp,
        sampler_logp=sampler_logp,
        order=order,
        rows=varied,
        rewards=rewards,
        sampled=sampled,
        metrics=metrics,
        routes=routes,
    )


def rollout_metrics(judged: JudgedCompletions, rewards: Tensor, trained: int, gap: Tensor) -> dict[str, float]:
    """Metrics of a rollout, from all its completions, their rewards (P, G), the number of rows to train on, and the
    gaps (n,) between the sampler's and the trainer's log-probabilities.
    """
    completions, sampled = judged.completions, judged.completions.mask
    reasons = [verdict.reason for verdict in judged.verdicts]
    # Where the sampler gives no entropy, the mean of -log π over the sampled tokens is an unbiased estimate.
    surprise = completions.entropy if completions.entropy is not None else -completions.logp
    parts = judged.verdicts[0].components.keys() & {"answer", "format"}
    parts = parts if "format" in parts else set()  # otherwise the answer's is the whole reward
    return {
        "reward": rewards.mean().item(),
        "correct": reasons.count("correct") / len(reasons),
        "zero_variance": 1 - trained / rewards.numel(),
        "length": sampled.sum(1).float().mean().item(),
        "replies": sum(judged.replies) / len(judged.replies),
        "truncated": reasons.count("truncated") / len(reasons),
        "unparsable": reasons.count("unparsable") / len(reasons),
        "timeout": reasons.count("timeout") / len(reasons),
        "entropy": surprise[sampled].mean().item(),
        "sampler_gap": gap.max().item() if gap.numel() else 0.0,
        "sampler_gap_mean": gap.mean().item() if gap.numel() else 0.0,
        **{f"{part}_reward": fmean(verdict.components[part] for verdict in judged.verdicts) for part in sorted(parts)},
    }


def plain(judged: JudgedCompletions) -> dict:
    """Judged completions as plain values and tensors, for the exchange between ranks."""
    verdicts = [vars(verdict) for verdict in judged.verdicts]
    return {**vars(judged), "completions": vars(judged.completions), "verdicts": verdicts}


def restored(found: dict) -> JudgedCompletions:
    """The inverse of `plain`."""
    verdicts = [Verdict(**verdict) for verdict in found["verdicts"]]
    return JudgedCompletions(**{**found, "completions": Completions(**found["completions"]), "verdicts": verdicts})


def concatenate(parts: list[JudgedCompletions]) -> JudgedCompletions:
    """The completions of several ranks, in rank order."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.completions.ids.shape[1] for part in parts)

    def rows(name: str) -> Tensor | None:
        tensors = [getattr(part.completions, name) for part in parts]
        if tensors[0] is None:
            return None
        return torch.cat([t if t.dim() == 1 else F.pad(t, (0, width - t.shape[1])) for t in tensors])

    names = ("ids", "logp", "mask", "lengths", "truncated", "entropy")
    return JudgedCompletions(
        [prompt for part in parts for prompt in part.prompts],
        Completions(*map(rows, names)),
        [text for part in parts for text in part.texts],
        [verdict for part in parts for verdict in part.verdicts],
        [count for part in parts for count in part.replies],
    )


def join(prompts: list[list[int]], completions: Completions, group: int) -> tuple[Tensor, Tensor]:
    """Rows of prompt + completion (B, T), right-padded, and the first completion position of each (B,)."""
    width = completions.ids.shape[1]
    starts = torch.tensor([len(prompt) for prompt in prompts]).repeat_interleave(group)
    ids = torch.zeros(len(starts), int(starts.max()) + width, dtype=torch.long)
    for row, (start, completion) in enumerate(zip(starts.tolist(), completions.ids, strict=True)):
        ids[row, :start] = torch.tensor(prompts[row // group])
        ids[row, start : start + width] = completion
    return ids, starts
