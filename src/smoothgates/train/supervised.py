"""Supervised training on demonstrations: the warm start of RL, and the control without RL.

A warm start has two phases: careful demonstrations teach a skill, then mostly hasty ones teach a habit. This leaves RL
one decision to learn that is easy to credit: to do the work before answering. The skill bounds its gain.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from smoothgates.errors import BadInput
from smoothgates.io.progress import track
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.text import compact_text
from smoothgates.policy.tokenizer import EOS
from smoothgates.specs.supervised import SupervisedPhase
from smoothgates.tasks.task import Demonstration, Example, Generator, Prompt
from smoothgates.train.muon import Muon
from smoothgates.train.optimizer import AdamW


@dataclass(frozen=True)
class Demonstrations:
    """Examples, and what writes and tokenises their demonstrations."""

    tokenizer: Tokenizer
    generator: Generator
    examples: Sequence[Example]

    def sample(self, count: int, hasty: float, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Ids and mask (count, T) of random examples, a share `hasty` of which guess; see `encode_demonstrations`."""
        chosen, generator = rng.sample(self.examples, count), self.generator
        shown = [generator.hasty(e, rng) if rng.random() < hasty else generator.careful(e) for e in chosen]
        return encode_demonstrations(self.tokenizer, [e.question for e in chosen], shown)


def train_supervised(
    policy: Decoder, demonstrations: Demonstrations, phase: SupervisedPhase, batch_size: int, rng: random.Random
) -> float:
    """Run one phase in place. Returns the mean loss of its last tenth, in nats per completion token.

    Raises BadInput if a demonstration is longer than the policy's positions.
    """
    optimizer = Muon(policy, phase) if phase.matrices else AdamW(policy, phase.optimizer)
    losses: list[float] = []
    for step in track(range(phase.steps), "supervised"):
        ids, mask = demonstrations.sample(batch_size, phase.hasty, rng)
        if ids.shape[1] > (most := policy.arch.max_position_embeddings):
            raise BadInput(
                f"architecture.max_position_embeddings: {most} is too few for demonstrations of {ids.shape[1]} tokens"
            )
        predicts = mask[:, 1:]
        logits = policy.logits(policy.hidden(ids[:, :-1], keep=lambda x, at=predicts: x[at]))
        loss = F.cross_entropy(logits, ids[:, 1:][predicts])
        gradients, _ = optimizer.gradients(loss)
        optimizer.step(gradients, rate(step, phase))
        losses.append(loss.item())
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


def rate(step: int, phase: SupervisedPhase) -> float:
    """The learning rate as a share of the peak: a linear warm-up, then a cosine down to `final_lr`."""
    warm = min(1.0, (step + 1) / max(phase.optimizer.warmup, 1))
    progress = step / max(phase.steps, 1)
    return warm * (phase.final_lr + (1 - phase.final_lr) * (1 + math.cos(math.pi * progress)) / 2)


def encode_demonstrations(
    tokenizer: Tokenizer, questions: list[str], demonstrations: list[Demonstration]
) -> tuple[Tensor, Tensor]:
    """Right-padded ids (B, T), and a mask (B, T), true on the tokens that the policy should write, including the end.

    Each part of a demonstration is tokenised separately, like turns and replies in a rollout.
    """
    prompts = compact_text(tokenizer).prompts(Prompt(), questions)
    parts = [text for demonstration in demonstrations for text, _ in demonstration]
    encoded = iter(tokenizer.encode_batch(parts))
    rows, masks = [], []
    for prompt, demonstration in zip(prompts, demonstrations, strict=True):
        row, mask = list(prompt), [False] * len(prompt)
        for _, own in demonstration:
            ids = next(encoded).ids
            row += ids
            mask += [own] * len(ids)
        rows.append([*row, tokenizer.token_to_id(EOS)])
        masks.append([*mask, True])
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.tensor([mask + [False] * (width - len(mask)) for mask in masks])
