"""Everything that the rest of a run depends on: the content of a checkpoint."""

import random
from collections import deque
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from smoothgates.rollout.collect import Rollout
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.specs.train import TrainSpec
from smoothgates.train.engine.engine import Engine

ROLLOUT_TENSORS = [each.name for each in fields(Rollout) if each.name != "metrics"]


@dataclass
class History:
    """The output of a run, besides its weights."""

    updates: list[dict[str, float]] = field(default_factory=list)
    """One row per optimiser step; the metrics of its rollout are repeated in each. A rollout in which no group's
    rewards vary makes no step: its one row has NaN for the metrics of an update."""
    steps: int = 0
    """Optimiser steps taken."""
    seconds: list[dict[str, float]] = field(default_factory=list)
    """Time and tokens of each rollout. Separate from `updates`, as it differs between two runs with the same seed."""
    rollouts: int = 0
    """Rollouts whose updates have all been made."""
    status: str = "finished"
    """`diverged` if a loss or gradient was not finite. That is a valid result: the weights before it are kept."""


@dataclass
class State:
    """A run between two passes of the training loop. Training resumed from a copy gives the same bits."""

    engine: Engine
    """Weights and optimiser."""
    prompts: random.Random
    """The random stream that chooses prompts."""
    samples: torch.Generator
    """The random stream that samples tokens."""
    shuffle: torch.Generator
    """The random stream that orders rows."""
    waiting: deque[Rollout] = field(default_factory=deque)
    """Rollouts that wait to be trained on, the oldest first."""
    rollout: Rollout | None = None
    """The rollout being trained on."""
    facts: dict[str, float] = field(default_factory=dict)
    """Rollout metrics to log with its updates."""
    batches: deque[Tensor] = field(default_factory=deque)
    """The rows (n,) of each of its remaining updates."""
    spent: dict[str, float] = field(default_factory=lambda: {"sample_seconds": 0.0, "update_seconds": 0.0})
    """Seconds since the end of the last rollout."""
    history: History = field(default_factory=History)

    @property
    def sampled(self) -> int:
        """Rollouts sampled so far."""
        return self.history.rollouts + len(self.waiting) + (self.rollout is not None)

    @classmethod
    def first(cls, engine: Engine, spec: TrainSpec) -> "State":
        """The state at the start of a run."""
        return cls(
            engine,
            python_stream(spec.seed, "prompts"),
            torch_stream(spec.seed, "samples"),
            torch_stream(spec.seed, "minibatches"),
        )


def pack(state: State) -> tuple[dict[str, Tensor], dict]:
    """The state as tensors and as JSON without NaN: numbers that may be NaN are tensors in double precision.

    Leaves out the engine, of which each rank saves a part.
    """
    rollouts = [*state.waiting, *([state.rollout] if state.rollout else [])]
    columns, updates = table(state.history.updates)
    names, facts = table([*(rollout.metrics for rollout in rollouts), *([state.facts] if state.facts else [])])
    tensors = {
        **{f"rollout{i}.{name}": getattr(r, name) for i, r in enumerate(rollouts) for name in ROLLOUT_TENSORS},
        **{f"batch{i}": rows for i, rows in enumerate(state.batches)},
        "samples": state.samples.get_state(),
        "shuffle": state.shuffle.get_state(),
        "updates": updates,
        "facts": facts,
    }
    history = state.history
    plain = {
        "prompts": state.prompts.getstate(),
        "waiting": len(state.waiting),
        "training": state.rollout is not None,
        "batches": len(state.batches),
        "columns": columns,
        "facts": names,
        "spent": state.spent,
        "seconds": history.seconds,
        "steps": history.steps,
        "rollouts": history.rollouts,
        "status": history.status,
    }
    return tensors, plain


def unpack(state: State, tensors: dict[str, Tensor], plain: dict) -> None:
    """Restore in place what `pack` returned; the engine is left as it is."""

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    version, words, gauss = plain["prompts"]
    state.prompts.setstate((version, tuple(words), gauss))
    state.samples.set_state(tensors["samples"])
    state.shuffle.set_state(tensors["shuffle"])
    facts = rows_of(plain["facts"], tensors["facts"])
    count = plain["waiting"] + plain["training"]
    rollouts = [Rollout(**under(f"rollout{i}."), metrics=facts[i]) for i in range(count)]
    state.waiting = deque(rollouts[: plain["waiting"]])
    state.rollout = rollouts[-1] if plain["training"] else None
    state.facts = facts[count] if len(facts) > count else {}
    state.batches = deque(tensors[f"batch{i}"] for i in range(plain["batches"]))
    state.spent = plain["spent"]
    updates = rows_of(plain["columns"], tensors["updates"])
    state.history = History(updates, plain["steps"], plain["seconds"], plain["rollouts"], plain["status"])


def table(rows: list[dict[str, float]]) -> tuple[list[str], Tensor]:
    """Names and a tensor (rows, names) of rows with the same keys: unlike JSON, it holds NaN and keeps every bit.

    >>> rows_of(*table([{"a": 1.0, "b": float("nan")}]))
    [{'a': 1.0, 'b': nan}]
    """
    names = list(rows[0]) if rows else []
    return names, torch.tensor([[row[name] for name in names] for row in rows], dtype=torch.double)


def rows_of(names: list[str], values: Tensor) -> list[dict[str, float]]:
    """The inverse of `table`."""
    return [dict(zip(names, row, strict=True)) for row in values.tolist()]
