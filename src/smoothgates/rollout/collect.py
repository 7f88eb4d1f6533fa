"""One rollout: prompts → completions → verdicts → advantages, ready to train on."""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from smoothgates.policy.logprob import completion_logprobs
from smoothgates.policy.qwen2 import Qwen2
from smoothgates.policy.tokenizer import EOS, prompt_ids
from smoothgates.rollout.torch_sampler import Completions, sample
from smoothgates.specs import Sampling
from smoothgates.tasks import Problem, Task, Verdict


@dataclass(frozen=True)
class Answers:
    """Completions of some problems with their verdicts, rows in problem order."""

    prompts: list[list[int]]
    completions: Completions
    texts: list[str]
    verdicts: list[Verdict]


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
    mask: Tensor
    """(N, W) true on sampled tokens."""
    old_logp: Tensor
    """(N, W) the trainer's own log-probabilities at sampling time: the denominator of the ratio."""
    rows: Tensor
    """(N,) which of the B completions these are."""
    rewards: Tensor
    """(P, G) of all B = P·G completions."""
    sampled: Tensor
    """(B, W) mask of all B completions."""
    facts: dict[str, float]
    """What to log of this rollout."""


def answer(
    policy: Qwen2,
    tokenizer: Tokenizer,
    task: Task,
    problems: list[Problem],
    samples: int,
    max_new_tokens: int,
    generator: torch.Generator,
) -> Answers:
    """Sample answers and judge them. Token ids go in and come out; text is only what the verifier reads."""
    prompts = prompt_ids(tokenizer, [problem.question for problem in problems])
    end = tokenizer.token_to_id(EOS)
    completions = sample(policy, prompts, samples, max_new_tokens, end, generator)
    lengths = completions.mask.sum(dim=1).tolist()
    rows = [row[:length] for row, length in zip(completions.ids.tolist(), lengths, strict=True)]
    texts = tokenizer.decode_batch(rows)
    asked = [problem for problem in problems for _ in range(samples)]
    verdicts = [
        task.verify(text, problem, cut)
        for text, problem, cut in zip(texts, asked, completions.truncated.tolist(), strict=True)
    ]
    return Answers(prompts, completions, texts, verdicts)


@torch.no_grad()
def collect(
    policy: Qwen2,
    tokenizer: Tokenizer,
    task: Task,
    problems: list[Problem],
    sampling: Sampling,
    generator: torch.Generator,
) -> Rollout:
    """Sample a group of answers to each problem, and score the tokens to train on with the trainer's kernels.

    Old log-probabilities never come from the sampler: its rounding would be read as policy change, and narrow
    gates would close on noise. The gap between the two is logged.
    """
    answers = answer(policy, tokenizer, task, problems, sampling.group, sampling.max_new_tokens, generator)
    completions, sampled = answers.completions, answers.completions.mask
    rewards = torch.tensor([verdict.reward for verdict in answers.verdicts]).view(-1, sampling.group)
    varied = (rewards.amax(1) > rewards.amin(1)).repeat_interleave(sampling.group).nonzero().squeeze(1)
    ids, starts = join(answers.prompts, completions, sampling.group)
    ids, starts, mask = ids[varied], starts[varied], sampled[varied]
    old_logp, _ = completion_logprobs(policy, ids, starts, mask.shape[1])
    gap = (completions.logp[varied] - old_logp)[mask].abs()
    reasons = [verdict.reason for verdict in answers.verdicts]
    facts = {
        "reward": rewards.mean().item(),
        "zero_variance": 1 - len(varied) / rewards.numel(),
        "length": sampled.sum(1).float().mean().item(),
        "truncated": reasons.count("truncated") / len(reasons),
        "unparsable": reasons.count("unparsable") / len(reasons),
        "entropy": completions.entropy[sampled].mean().item(),
        "sampler_gap": gap.max().item() if gap.numel() else 0.0,
    }
    return Rollout(ids, starts, mask, old_logp, varied, rewards, sampled, facts)


def join(prompts: list[list[int]], completions: Completions, group: int) -> tuple[Tensor, Tensor]:
    """Rows of prompt + completion (B, T), right-padded, and where each completion starts (B,)."""
    width = completions.ids.shape[1]
    starts = torch.tensor([len(prompt) for prompt in prompts]).repeat_interleave(group)
    ids = torch.zeros(len(starts), int(starts.max()) + width, dtype=torch.long)
    for row, (start, completion) in enumerate(zip(starts.tolist(), completions.ids, strict=True)):
        ids[row, :start] = torch.tensor(prompts[row // group])
        ids[row, start : start + width] = completion
    return ids, starts
