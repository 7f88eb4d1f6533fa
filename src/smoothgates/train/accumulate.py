"""Forward and backward passes over rows of a rollout, in micro-batches and on all ranks.

How the rows are divided changes results by rounding only.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.objective.diagnostics import TokenTerms, update_diagnostics
from smoothgates.objective.sequences import sequence_diagnostics
from smoothgates.policy.routing import no_routes, routing
from smoothgates.rollout.collect import Rollout
from smoothgates.specs.train import EngineConfig, TrainSpec
from smoothgates.train.engine.engine import Engine, Sequences
from smoothgates.train.microbatch import deal
from smoothgates.train.routing_replay import RoutingReplay

Loss = Callable[[Tensor, Tensor], tuple[Tensor, TokenTerms]]
"""Rows (n,) of a rollout and their log-probabilities (n, w) → the loss, (), and what its diagnostics are made of."""


def accumulate(
    engine: Engine, rollout: Rollout, rows: Tensor, loss: Loss, spec: TrainSpec
) -> tuple[dict[str, float], RoutingReplay]:
    """Accumulate the gradient of one update on some rows (n,).

    `loss` must divide by a denominator of the whole update, so that the losses of micro-batches add up. Returns the
    diagnostics, loss and mean entropy of all rows together, and the routing of the update.
    """
    sequences = Sequences(rollout.ids, rollout.starts, rollout.lengths)
    replay = RoutingReplay(engine, rollout, spec.method.routing_replay)
    batches, scored = micro_batches(engine.ranks, sequences, rows, spec.engine), []
    for i, batch in enumerate(batches):
        # A rank without rows scores a row that is not counted: engines that divide weights need all ranks in each pass.
        present = batch if len(batch) else rows[:1]
        logp, entropy = replay.score(present, sequences.select(present), len(batch))
        logp, entropy = logp[: len(batch)], entropy[: len(batch)]
        value, terms = loss(batch, logp)
        engine.backward(value, last=i == len(batches) - 1)
        scored.append((batch, logp.detach(), entropy))
    if len(batches) > 1 or engine.ranks.size > 1:
        parts = engine.ranks.gather([tuple(tensor.cpu() for tensor in each) for each in scored])
        rows, logp, entropy = concatenate(parts, int(rollout.lengths[rows].max()))
        value, terms = loss(rows, logp)
    mask = rollout.mask[rows, : entropy.shape[1]].to(entropy.device)
    prompts, group = rollout.rewards.shape
    prompt = (rollout.rows[rows] // group).to(entropy.device)
    metrics = update_diagnostics(terms) | sequence_diagnostics(terms, prompt, prompts, spec.method)
    metrics |= {"loss": value.detach(), "policy_entropy": entropy[mask].mean()}
    return dict(zip(metrics, torch.stack(list(metrics.values())).tolist(), strict=True)), replay


def old_logprobs(
    engine: Engine, sequences: Sequences, width: int, updates: list[Tensor], config: EngineConfig
) -> tuple[Tensor, Tensor]:
    """Log-probabilities (N, W) under the current policy, and the experts (N, T, L, K) of all tokens.

    updates: the rows of each update of the first epoch. Scoring them in the micro-batches of that epoch makes the first
    ratios exactly 1, as kernels round differently for other shapes.
    """
    scored = []
    for rows in updates:
        for batch in micro_batches(engine.ranks, sequences, rows, config):
            present = sequences.select(batch if len(batch) else rows[:1])
            with routing(engine.policy, *present.ids.shape) as routes:
                logp, _ = engine.score(*present)
            scored.append((batch, logp[: len(batch)].cpu(), routes[: len(batch)].cpu()))
    old_logp = torch.zeros(len(sequences.ids), width)
    experts = no_routes(engine.policy, *sequences.ids.shape)
    for part in engine.ranks.gather(scored):
        for batch, logp, routes in part:
            old_logp[batch, : logp.shape[1]] = logp
            experts[batch, : routes.shape[1]] = routes
    return old_logp, experts


def micro_batches(ranks: Ranks, sequences: Sequences, rows: Tensor, config: EngineConfig) -> list[Tensor]:
    """The rows of each of this rank's micro-batches. All ranks have the same number of micro-batches."""
    tokens = (sequences.starts + sequences.lengths)[rows].tolist()
    return [rows[step[ranks.rank]] for step in deal(tokens, ranks.size, config.tokens, config.packed)]


def concatenate(parts: list[list[tuple[Tensor, Tensor, Tensor]]], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (n,), log-probabilities and entropies (n, width) of the micro-batches of all ranks."""
    batches = [batch for part in parts for batch in part]
    rows = torch.cat([rows for rows, _, _ in batches])
    logp, entropy = (torch.cat([F.pad(each[i], (0, width - each[i].shape[1])) for each in batches]) for i in (1, 2))
    return rows, logp, entropy
