"""The RL loop: every method runs through these lines and differs only in `policy_loss`."""

import math
import time
from collections.abc import Callable

from smoothgates.errors import BadInput
from smoothgates.io.progress import track
from smoothgates.objective.diagnostics import DIAGNOSTICS
from smoothgates.objective.sequences import SEQUENCE_DIAGNOSTICS
from smoothgates.policy.routing import sparse_shape
from smoothgates.specs.train import Regime, TrainSpec
from smoothgates.train.context import RunContext
from smoothgates.train.routing_replay import no_routing_metrics
from smoothgates.train.run.state import State
from smoothgates.train.step import minibatches, sample_rollout, update

NO_UPDATE = dict.fromkeys([*DIAGNOSTICS, *SEQUENCE_DIAGNOSTICS, "loss", "policy_entropy", "grad_norm"], math.nan)


def train(state: State, context: RunContext, after_each: Callable[[], None] = lambda: None) -> None:
    """Train from `state`, in place, until the run finishes or diverges.

    Each pass of the loop samples a rollout, starts on the oldest one, or makes one update on it, and then calls
    `after_each`, at which point the state is consistent and may be saved. An error of `after_each` ends the training.
    Raises BadInput if the method replays routes and the policy has no experts.
    """
    spec, history = context.spec, state.history
    if spec.method.routing_replay and not any(sparse_shape(state.engine.policy)):
        raise BadInput(f"methods.{spec.method_name}.routing_replay: expected a policy with experts, this one has none")
    for n in track(range(history.rollouts + 1, spec.regime.rollouts + 1), f"{spec.method_name} rollouts"):
        while history.rollouts < n:
            if history.status == "diverged":
                return
            if state.batches:
                update_policy(state, spec)
            elif len(state.waiting) <= spec.regime.lag:
                add_rollout(state, context)
            else:
                start_rollout(state, spec.regime)
            after_each()


def add_rollout(state: State, context: RunContext) -> None:
    """Sample a rollout into the queue, where `regime.lag` later rollouts join it before it is trained on."""
    began = time.perf_counter()
    state.waiting.append(sample_rollout(state, context))
    state.spent["sample_seconds"] += time.perf_counter() - began


def start_rollout(state: State, regime: Regime) -> None:
    """Take the oldest rollout from the queue, and divide it into the rows of its updates."""
    state.facts = state.waiting[-1].metrics  # the newest rollout shows what the policy does now
    state.rollout = state.waiting.popleft()
    state.batches.extend(minibatches(state.rollout.order, regime))
    if not state.batches:
        log_update(state, NO_UPDATE | no_routing_metrics(state.engine.policy))
        if math.isfinite(state.facts["entropy"]):
            finish_rollout(state)
        else:  # a policy that is no longer finite repeats one completion, and no update would notice
            state.history.status = "diverged"


def update_policy(state: State, spec: TrainSpec) -> None:
    """Make the next update on the rollout."""
    began = time.perf_counter()
    metrics = update(state.engine, state.rollout, state.batches.popleft(), spec, state.history.steps)
    state.history.steps += 1
    log_update(state, metrics)
    state.spent["update_seconds"] += time.perf_counter() - began
    if not math.isfinite(metrics["grad_norm"]):
        state.history.status = "diverged"
    elif not state.batches:
        finish_rollout(state)


def log_update(state: State, metrics: dict[str, float]) -> None:
    """Add a row to the metrics: the rollout's, then the update's."""
    history = state.history
    at = {"rollout": float(history.rollouts + 1), "update": float(history.steps)}
    history.updates.append({**at, **state.facts, **metrics})


def finish_rollout(state: State) -> None:
    """Count the rollout as trained on, and log its time."""
    history, tokens = state.history, state.facts["length"] * state.rollout.rewards.numel()
    history.rollouts += 1
    history.seconds.append({"rollout": history.rollouts, **state.spent, "sampled_tokens": tokens})
    state.spent = dict.fromkeys(state.spent, 0.0)
    state.rollout = None
