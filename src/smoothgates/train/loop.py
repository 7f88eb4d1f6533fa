"""The RL loop: sample, judge, update; every method runs through these lines and differs only in `policy_loss`."""

import math
import time
from collections.abc import Callable

import torch
from tokenizers import Tokenizer

from smoothgates.objective import group_advantages, policy_loss, step_denominator
from smoothgates.objective.diagnostics import DIAGNOSTICS
from smoothgates.policy.logprob import completion_logprobs
from smoothgates.policy.qwen2 import Qwen2
from smoothgates.progress import track
from smoothgates.rollout.collect import Rollout, collect
from smoothgates.rollout.setting import Setting
from smoothgates.specs import Regime, TrainSpec
from smoothgates.tasks.task import Example
from smoothgates.train.optimizer import AdamW
from smoothgates.train.state import State

NO_UPDATE = dict.fromkeys([*DIAGNOSTICS, "loss", "grad_norm", "policy_entropy"], math.nan)


def train(
    state: State,
    tokenizer: Tokenizer,
    setting: Setting,
    examples: list[Example],
    spec: TrainSpec,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Train on from `state`, in place, until the run has finished or diverged.

    A run is a chain of acts: sample a rollout, take one up, make one optimiser step. `between()` is called after each:
    there the state is whole and may be saved. What it raises ends the training.
    """
    regime, history = spec.regime, state.history
    for n in track(range(history.rollouts + 1, regime.rollouts + 1), f"{spec.method_name} rollouts"):
        while history.rollouts < n:
            if history.status == "diverged":
                return
            if state.batches:
                learn(state, spec)
            elif len(state.waiting) <= regime.lag:  # at first, a queue of rollouts: `lag` old when trained on
                sample(state, tokenizer, setting, examples, spec)
            else:
                take_up(state, regime)
            between()


def sample(state: State, tokenizer: Tokenizer, setting: Setting, examples: list[Example], spec: TrainSpec) -> None:
    """Add a rollout to those that wait."""
    began = time.perf_counter()
    chosen = state.prompts.sample(examples, spec.sampling.prompts)
    state.waiting.append(collect(state.policy, tokenizer, setting, chosen, spec.sampling.group, state.samples))
    state.spent["sample_seconds"] += time.perf_counter() - began


def take_up(state: State, regime: Regime) -> None:
    """Turn to the oldest rollout that waits."""
    state.facts = state.waiting[-1].facts  # of the newest: what the policy does now
    state.rollout = state.waiting.popleft()
    state.batches.extend(minibatches(len(state.rollout.rows), regime, state.shuffle))
    if not state.batches:
        log(state, NO_UPDATE)
        close(state)


def learn(state: State, spec: TrainSpec) -> None:
    """The next optimiser step on the rollout."""
    began = time.perf_counter()
    rollout, rows = state.rollout, state.batches.popleft()
    advantage = group_advantages(rollout.rewards, spec.method.advantage).flatten()[rollout.rows]
    # What all sampled completions add, also those left out.
    denominator = step_denominator(rollout.sampled, spec.method).item() / spec.regime.minibatches
    updates_before = state.history.steps
    made = update(state.policy, state.optimizer, rollout, rows, advantage[rows], denominator, spec, updates_before)
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


def minibatches(rows: int, regime: Regime, shuffle: torch.Generator) -> list[torch.Tensor]:
    """Which of a rollout's rows each update is made on."""
    orders = [torch.randperm(rows, generator=shuffle) for _ in range(regime.epochs)]
    return [part for order in orders for part in order.tensor_split(regime.minibatches) if len(part)]


def update(
    policy: Qwen2,
    optimizer: AdamW,
    rollout: Rollout,
    rows: torch.Tensor,
    advantage: torch.Tensor,
    denominator: float,
    spec: TrainSpec,
    updates_before: int,
) -> dict[str, float]:
    """One optimiser step on these rows and their Â (N,); returns its diagnostics. It is taken only if it is finite."""
    adam = spec.regime.optimizer
    starts, lengths = rollout.starts[rows], rollout.lengths[rows]
    width = int(lengths.max())
    mask, old_logp = rollout.mask[rows, :width], rollout.old_logp[rows, :width]
    ids = rollout.ids[rows, : int((starts + lengths).max())]

    logp, entropy = completion_logprobs(policy, ids, starts, width)
    loss, diagnostics = policy_loss(logp, old_logp, advantage, mask, spec.method, denominator)
    gradients, norm = optimizer.gradients(loss)
    diagnostics |= {"loss": loss.detach(), "grad_norm": norm, "policy_entropy": entropy[mask].mean()}
    values = dict(zip(diagnostics, torch.stack(list(diagnostics.values())).tolist(), strict=True))
    if math.isfinite(values["grad_norm"]) and math.isfinite(values["loss"]):
        optimizer.step(gradients, rate=min(1.0, (updates_before + 1) / max(adam.warmup, 1)))
    else:
        values["grad_norm"] = math.nan
    return values
