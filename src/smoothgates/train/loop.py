"""The RL loop: sample, judge, update; every method runs through these lines and differs only in `policy_loss`."""

import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.errors import BadInput
from smoothgates.io.progress import track
from smoothgates.objective import group_advantages, policy_loss, step_denominator
from smoothgates.objective.diagnostics import DIAGNOSTICS
from smoothgates.policy.routing import no_routes, routing, sparse_shape
from smoothgates.rollout.collect import Actor, Rollout, collect
from smoothgates.specs.train import Regime, TrainSpec
from smoothgates.train.churn import Routers, no_facts
from smoothgates.train.engine.engine import Engine
from smoothgates.train.means import Means
from smoothgates.train.microbatch import deal
from smoothgates.train.run.state import State

NO_UPDATE = dict.fromkeys([*DIAGNOSTICS, "loss", "policy_entropy", "grad_norm"], math.nan)


def train(state: State, means: Means, spec: TrainSpec, between: Callable[[], None] = lambda: None) -> None:
    """Train on from `state`, in place, until the run has finished or diverged.

    A run is a chain of acts: sample a rollout, take one up, make one optimiser step. `between()` is called after each:
    there the state is whole and may be saved. What it raises ends the training. Raises BadInput where the method is
    for policies of another kind.
    """
    if spec.method.routing_replay and not any(sparse_shape(means.engine.policy)):
        raise BadInput(f"methods.{spec.method_name}.routing_replay: expected a policy with experts, this one has none")
    regime, history = spec.regime, state.history
    for n in track(range(history.rollouts + 1, regime.rollouts + 1), f"{spec.method_name} rollouts"):
        while history.rollouts < n:
            if history.status == "diverged":
                return
            if state.batches:
                learn(state, means.engine, spec)
            elif len(state.waiting) <= regime.lag:  # at first, a queue of rollouts: `lag` old when trained on
                sample(state, means, spec)
            else:
                take_up(state, regime)
            between()


def sample(state: State, means: Means, spec: TrainSpec) -> None:
    """Add a rollout to those that wait."""
    began = time.perf_counter()
    means.sync()
    chosen = state.prompts.sample(means.examples, spec.sampling.prompts)

    def score(ids: Tensor, starts: Tensor, lengths: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
        order = orders(len(ids), spec.regime, state.shuffle)
        old_logp, routes = old_logprobs(means.engine, ids, starts, lengths, width, order, spec)
        return old_logp, order, routes

    actor = Actor(means.sampler, means.text, means.task_setup)
    rollout = collect(actor, chosen, spec.sampling.group, state.samples, score, means.engine.ranks)
    if spec.sampler.correction:
        rollout.metrics.update(correction_facts(rollout, spec.sampler.correction))
    state.waiting.append(rollout)
    state.spent["sample_seconds"] += time.perf_counter() - began


def take_up(state: State, regime: Regime) -> None:
    """Turn to the oldest rollout that waits."""
    state.facts = state.waiting[-1].metrics  # of the newest: what the policy does now
    state.rollout = state.waiting.popleft()
    state.batches.extend(minibatches(state.rollout.order, regime))
    if not state.batches:
        log(state, NO_UPDATE | no_facts(state.engine.policy))
        close(state)


def learn(state: State, engine: Engine, spec: TrainSpec) -> None:
    """The next optimiser step on the rollout."""
    began = time.perf_counter()
    rollout, rows = state.rollout, state.batches.popleft()
    advantage = group_advantages(rollout.rewards, spec.method.advantage).flatten()[rollout.rows]
    # What all sampled completions add, also those left out.
    denominator = step_denominator(rollout.sampled, spec.method).item() / spec.regime.minibatches
    made = update(engine, rollout, rows, advantage[rows], denominator, spec, state.history.steps)
    state.history.steps += 1
    log(state, made)
    state.spent["update_seconds"] += time.perf_counter() - began
    if not math.isfinite(made["grad_norm"]):
        state.history.status = "diverged"
    elif not state.batches:
        close(state)


def log(state: State, diagnostics: dict[str, float]) -> None:
    history = state.history
    at = {"rollout": float(history.rollouts + 1), "update": float(history.steps)}
    history.updates.append({**at, **state.facts, **diagnostics})


def close(state: State) -> None:
    """Done with the rollout."""
    history, tokens = state.history, state.facts["length"] * state.rollout.rewards.numel()
    history.rollouts += 1
    history.seconds.append({"rollout": history.rollouts, **state.spent, "sampled_tokens": tokens})
    state.spent = dict.fromkeys(state.spent, 0.0)
    state.rollout = None


def orders(rows: int, regime: Regime, shuffle: torch.Generator) -> Tensor:
    """A rollout's rows (epochs, rows) in the order in which each epoch trains on them."""
    return torch.stack([torch.randperm(rows, generator=shuffle) for _ in range(regime.epochs)])


def minibatches(order: Tensor, regime: Regime) -> list[Tensor]:
    """Which of a rollout's rows each update is made on."""
    return [part.clone() for epoch in order for part in epoch.tensor_split(regime.minibatches) if len(part)]


def old_logprobs(
    engine: Engine, ids: Tensor, starts: Tensor, lengths: Tensor, width: int, order: Tensor, spec: TrainSpec
) -> tuple[Tensor, Tensor]:
    """Log-probabilities (N, W) by the policy as it is, in the micro-batches in which the first epoch will train; and
    the experts (N, T, L, K) of all tokens.

    Kernels round differently for other shapes: so the first ratios are exactly 1.
    """
    found = []
    for rows in minibatches(order[:1], spec.regime):
        for chosen in own_batches(engine, starts, lengths, rows, spec):
            batch = trimmed(ids, starts, lengths, chosen if len(chosen) else rows[:1])
            with routing(engine.policy, *batch[0].shape) as routes:
                logp, _ = engine.score(*batch)
            found.append((chosen, logp[: len(chosen)].cpu(), routes[: len(chosen)].cpu()))
    result, experts = torch.zeros(len(ids), width), no_routes(engine.policy, *ids.shape)
    for part in engine.ranks.gather(found):
        for chosen, logp, routes in part:
            result[chosen, : logp.shape[1]] = logp
            experts[chosen, : routes.shape[1]] = routes
    return result, experts


def own_batches(engine: Engine, starts: Tensor, lengths: Tensor, rows: Tensor, spec: TrainSpec) -> list[Tensor]:
    """The rows of each of this rank's micro-batches."""
    ranks, total = engine.ranks, (starts + lengths)[rows].tolist()
    return [rows[step[ranks.rank]] for step in deal(total, ranks.size, spec.engine.tokens, spec.engine.packed)]


def trimmed(ids: Tensor, starts: Tensor, lengths: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """These rows, as wide as they need to be."""
    ends = starts[rows] + lengths[rows]
    return ids[rows, : int(ends.max())], starts[rows], lengths[rows]


def update(
    engine: Engine,
    rollout: Rollout,
    rows: Tensor,
    advantage: Tensor,
    denominator: float,
    spec: TrainSpec,
    updates_before: int,
) -> dict[str, float]:
    """One optimiser step on these rows and their Â (n,); returns its diagnostics. It is taken only if it is finite.

    The gradient is added up over micro-batches and ranks; loss and diagnostics are then those of all rows together, by
    the same function.
    """
    width = int(rollout.lengths[rows].max())
    factor = torch.zeros(len(rollout.ids)).index_copy(0, rows, advantage).unsqueeze(1)
    if spec.sampler.correction:
        factor = factor * correction(rollout, spec.sampler.correction)
    routers = Routers(engine, rollout, spec.method.routing_replay)
    own = own_batches(engine, rollout.starts, rollout.lengths, rows, spec)
    found = []
    for i, chosen in enumerate(own):
        batch = chosen if len(chosen) else rows[:1]  # a rank without rows takes part with one that does not count
        tensors = trimmed(rollout.ids, rollout.starts, rollout.lengths, batch)
        logp, entropy = routers.score(batch, tensors, len(chosen))
        loss, diagnostics = loss_of(rollout, batch, logp, factor, denominator, spec, counts=len(chosen) > 0)
        engine.backward(loss, last=i == len(own) - 1)
        found.append((chosen, logp[: len(chosen)].detach(), entropy[: len(chosen)]))
    if len(own) > 1 or engine.ranks.size > 1:
        rows, logp, entropy = together(engine.ranks.gather([tuple(t.cpu() for t in each) for each in found]), width)
        loss, diagnostics = loss_of(rollout, rows, logp, factor, denominator, spec)
    norm = engine.step(rate(updates_before, spec.regime)) if math.isfinite(loss.item()) else math.nan
    mask = rollout.mask[rows, :width].to(entropy.device)
    diagnostics |= {"loss": loss.detach(), "policy_entropy": entropy[mask].mean()}
    values = dict(zip(diagnostics, torch.stack(list(diagnostics.values())).tolist(), strict=True))
    return values | {"grad_norm": norm if math.isfinite(norm) else math.nan} | routers.facts()


def loss_of(
    rollout: Rollout,
    rows: Tensor,
    logp: Tensor,
    factor: Tensor,
    denominator: float,
    spec: TrainSpec,
    counts: bool = True,
) -> tuple[Tensor, dict[str, Tensor]]:
    """`policy_loss` of some rows, from their log-probabilities (n, w) and what multiplies each, (N, 1) or (N, W)."""
    width, device = logp.shape[1], logp.device
    mask = rollout.mask[rows, :width] & counts
    advantage = factor[rows].expand(-1, rollout.mask.shape[1])[:, :width]
    old = rollout.old_logp[rows, :width]
    return policy_loss(logp, old.to(device), advantage.to(device), mask.to(device), spec.method, denominator)


def together(parts: list[list[tuple[Tensor, Tensor, Tensor]]], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, log-probabilities and entropies of all micro-batches of all ranks."""
    flat = [each for part in parts for each in part]
    rows = torch.cat([chosen for chosen, _, _ in flat])
    logp, entropy = (torch.cat([F.pad(e[i], (0, width - e[i].shape[1])) for e in flat]) for i in (1, 2))
    return rows, logp, entropy


def correction(rollout: Rollout, cap: float) -> Tensor:
    """Token weights (N, W) min(π_trainer/π_sampler, cap) that undo the sampler's rounding in expectation."""
    return (rollout.old_logp - rollout.sampler_logp).exp().clamp(max=cap).where(rollout.mask, torch.ones(()))


def correction_facts(rollout: Rollout, cap: float) -> dict[str, float]:
    """Mean weight of a token before and after the cap: the first is 1 in expectation."""
    if not rollout.mask.any():
        return {"correction_mean": 1.0, "correction_capped": 1.0}
    found = {"correction_mean": math.inf, "correction_capped": cap}
    return {name: correction(rollout, limit)[rollout.mask].mean().item() for name, limit in found.items()}


def rate(updates_before: int, regime: Regime) -> float:
    """Share of the peak learning rate of the next update: a linear warm-up, then constant or falling to 0.

    >>> from smoothgates.specs.optimizer import Adam
    >>> regime = Regime(rollouts=2, minibatches=2, optimizer=Adam(lr=1.0, decay="linear"))
    >>> [rate(n, regime) for n in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    adam, total = regime.optimizer, regime.rollouts * regime.minibatches * regime.epochs
    warm = min(1.0, (updates_before + 1) / max(adam.warmup, 1))
    return warm * (1 - updates_before / total if adam.decay == "linear" else 1.0)
