"""One RL step: sample completions, judge them, turn rewards into advantages, and update the policy.

Micro-batches, ranks and experts are hidden in `accumulate.py`: the step reads the same with and without them.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from smoothgates.objective import group_advantages, policy_loss, step_denominator
from smoothgates.objective.diagnostics import TokenTerms
from smoothgates.objective.masks import covariance_mask
from smoothgates.rollout.collect import Actor, Rollout, collect
from smoothgates.seeds import torch_stream
from smoothgates.specs.train import Regime, TrainSpec
from smoothgates.train.accumulate import accumulate, old_logprobs
from smoothgates.train.context import RunContext
from smoothgates.train.correction import correction_metrics, correction_weights
from smoothgates.train.engine.engine import Engine, Sequences
from smoothgates.train.run.state import State


def sample_rollout(state: State, context: RunContext) -> Rollout:
    """Sample `sampling.group` completions of each of `sampling.prompts` prompts, and judge them.

    Completions come from the sampler with the policy's current weights; their old log-probabilities come from the
    engine.
    """
    spec, engine = context.spec, state.engine
    context.update_sampler(state.history.steps)
    examples = state.prompts.sample(context.examples, spec.sampling.prompts)

    def score(ids: Tensor, starts: Tensor, lengths: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
        order = epoch_orders(len(ids), spec.regime, state.shuffle)
        first_updates = minibatches(order[:1], spec.regime)
        old_logp, routes = old_logprobs(engine, Sequences(ids, starts, lengths), width, first_updates, spec.engine)
        return old_logp, order, routes

    actor = Actor(context.sampler, context.text, context.task_setup)
    rollout = collect(actor, examples, spec.sampling.group, state.samples, score, engine.ranks)
    if spec.regime.noise:
        rollout = with_noise(rollout, spec, state.sampled)
    if spec.sampler.correction:
        rollout.metrics.update(correction_metrics(rollout, spec.sampler.correction))
    return rollout


def with_noise(rollout: Rollout, spec: TrainSpec, sampled: int) -> Rollout:
    """A rollout with noise on its old log-probabilities, drawn anew for each, of which `sampled` came before it."""
    noise = torch.randn(rollout.old_logp.shape, generator=torch_stream(spec.seed, f"noise of rollout {sampled}"))
    return replace(rollout, old_logp=rollout.old_logp + spec.regime.noise * noise)


def epoch_orders(rows: int, regime: Regime, shuffle: torch.Generator) -> Tensor:
    """The order in which each epoch trains on a rollout's rows, (epochs, rows)."""
    return torch.stack([torch.randperm(rows, generator=shuffle) for _ in range(regime.epochs)])


def minibatches(order: Tensor, regime: Regime) -> list[Tensor]:
    """The rows (n,) of each update on a rollout, from the order (epochs, N) of its rows."""
    return [part.clone() for epoch in order for part in epoch.tensor_split(regime.minibatches) if len(part)]


def update(engine: Engine, rollout: Rollout, rows: Tensor, spec: TrainSpec, updates_before: int) -> dict[str, float]:
    """Take one optimiser step on some rows (n,) of a rollout, if loss and gradient are finite; return its metrics.

    `grad_norm` is NaN if the step was not taken.
    """
    method = spec.method
    advantage = group_advantages(rollout.rewards, method.advantage).flatten()[rollout.rows].unsqueeze(1)
    if spec.sampler.correction:
        advantage = advantage * correction_weights(rollout, spec.sampler.correction)
    if method.mask is not None and method.mask.kind == "covariance":
        valid = torch.zeros_like(rollout.mask)
        valid[rows] = rollout.mask[rows]
        choice = torch_stream(spec.seed, f"covariance {updates_before}")
        advantage = advantage * covariance_mask(rollout.old_logp, advantage, valid, method.mask, choice)
    # Completions of groups without variance are not trained on, but they count here: their gradient is zero.
    denominator = step_denominator(rollout.sampled, method).item() / spec.regime.minibatches

    def loss(chosen: Tensor, logp: Tensor) -> tuple[Tensor, TokenTerms]:
        width, device = logp.shape[1], logp.device
        columns = (rollout.old_logp, advantage, rollout.mask)
        old_logp, own, mask = (each[chosen, :width].to(device) for each in columns)
        return policy_loss(logp, old_logp, own, mask, method, denominator)

    metrics, routing = accumulate(engine, rollout, rows, loss, spec)
    norm = math.nan
    if math.isfinite(metrics["loss"]):
        norm = engine.step(learning_rate_share(updates_before, spec.regime))
    return metrics | {"grad_norm": norm if math.isfinite(norm) else math.nan} | routing.metrics()


def learning_rate_share(updates_before: int, regime: Regime) -> float:
    """The next update's learning rate as a share of the peak: a linear warm-up, then constant or falling to 0.

    >>> from smoothgates.specs.optimizer import Adam
    >>> regime = Regime(rollouts=2, minibatches=2, optimizer=Adam(lr=1.0, decay="linear"))
    >>> [learning_rate_share(n, regime) for n in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    adam, total = regime.optimizer, regime.rollouts * regime.minibatches * regime.epochs
    warm = min(1.0, (updates_before + 1) / max(adam.warmup, 1))
    return warm * (1 - updates_before / total if adam.decay == "linear" else 1.0)
