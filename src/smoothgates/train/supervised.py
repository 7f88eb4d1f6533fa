"""Supervised training on demonstrations: the warm start that RL begins from, and the control without RL.

The warm start is made in two phases: a skill (careful demonstrations), then a habit (mostly hasty ones). RL then has a
decision to learn that is easy to credit: to reason before answering. Its gain is bounded by the skill.
"""

import math
import random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from smoothgates.policy.qwen2 import Qwen2
from smoothgates.policy.tokenizer import ASSISTANT, EOS, USER
from smoothgates.progress import track
from smoothgates.specs import SupervisedPhase
from smoothgates.tasks import Problem, Task
from smoothgates.train.optimizer import AdamW


def train_supervised(
    policy: Qwen2,
    tokenizer: Tokenizer,
    task: Task,
    problems: list[Problem],
    phase: SupervisedPhase,
    batch_size: int,
    rng: random.Random,
) -> float:
    """Run one phase in place; returns the mean loss of its last tenth, nats per completion token."""
    optimizer = AdamW(policy, phase.optimizer)
    losses: list[float] = []
    for step in track(range(phase.steps), "supervised"):
        chosen = rng.sample(problems, batch_size)
        demonstrations = [task.hasty(p, rng) if rng.random() < phase.hasty else p.careful for p in chosen]
        ids, mask = encode_demonstrations(tokenizer, chosen, demonstrations)
        predicts = mask[:, 1:]
        logits = policy.logits(policy.hidden(ids[:, :-1], keep=lambda x, at=predicts: x[at]))
        loss = F.cross_entropy(logits, ids[:, 1:][predicts])
        gradients, _ = optimizer.gradients(loss)
        optimizer.step(gradients, rate(step, phase))
        losses.append(loss.item())
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


def rate(step: int, phase: SupervisedPhase) -> float:
    """Share of the peak learning rate: linear warm-up, then cosine down to `final_lr`."""
    warm = min(1.0, (step + 1) / max(phase.optimizer.warmup, 1))
    progress = step / max(phase.steps, 1)
    return warm * (phase.final_lr + (1 - phase.final_lr) * (1 + math.cos(math.pi * progress)) / 2)


def encode_demonstrations(
    tokenizer: Tokenizer, problems: list[Problem], completions: list[str]
) -> tuple[Tensor, Tensor]:
    """Right-padded ids (B, T) and a mask (B, T) that is true on completion tokens, the end token included."""
    texts = [f"{USER}{p.question}{ASSISTANT}{c}{EOS}" for p, c in zip(problems, completions, strict=True)]
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    assistant = tokenizer.token_to_id(ASSISTANT)
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    column = torch.arange(width)
    starts = torch.tensor([row.index(assistant) for row in rows]).unsqueeze(1)
    lengths = torch.tensor([len(row) for row in rows]).unsqueeze(1)
    return ids, (column > starts) & (column < lengths)
