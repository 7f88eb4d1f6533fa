"""An attempt at a run: it resumes from the newest checkpoint, saves checkpoints, and stops when it is time."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import flush
from smoothgates.policy.allocator import keep_freed_memory
from smoothgates.policy.load import load_policy
from smoothgates.policy.manifest import verified_folder
from smoothgates.policy.save import save_weights
from smoothgates.policy.text import Text
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.prompt_limit import within_prompt_limit
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.task_setup import TaskSetup
from smoothgates.specs.train import TrainSpec
from smoothgates.tasks.task import Example
from smoothgates.train.context import RunContext
from smoothgates.train.engine.engine import Engine
from smoothgates.train.engine.make import loaded_dtype, make_engine
from smoothgates.train.run import checkpoint
from smoothgates.train.run.retention import in_curve
from smoothgates.train.run.state import State, pack, unpack
from smoothgates.train.run.stop import Stop
from smoothgates.train.run.workdir import SharedWorkDir
from smoothgates.train.sync import PROBE_PROMPTS, make_sync


@dataclass
class Attempt:
    """The state of a run, and when and where to save it. All ranks have one and call its methods together."""

    spec: TrainSpec
    start: Path
    """Folder of the policy that the run starts from."""
    workdir: SharedWorkDir
    stop: Stop
    save_seconds: float
    """Least time between two checkpoints."""
    engine: Engine
    sampler: Sampler
    text: Text
    state: State
    folders: dict[str, list[dict]] = field(default_factory=dict)
    """Policies in the work directory that are part of the result: folder → records of its files."""
    curve: list[dict] = field(default_factory=list)
    """Policies of the learning curve, as the result's manifest lists them."""
    saved_at: float = field(default_factory=time.monotonic)
    save_cost: float = 0.0
    """Seconds that the last checkpoint took."""

    @classmethod
    def resume(cls, spec: TrainSpec, start: Path, workdir: SharedWorkDir, stop: Stop, save_seconds: float) -> "Attempt":
        """Resume from the newest intact checkpoint, or else start from the policy that the manifest `start` names.

        Raises BadInput, on all ranks.
        """
        torch.set_num_threads(1)  # sums over threads differ in their last bits
        keep_freed_memory()
        ranks = workdir.ranks
        with ranks.failing_together():
            folder = verified_folder(start)
            policy, text = load_policy(folder, spec.published, loaded_dtype(spec.engine))
        engine = make_engine(policy, spec, ranks)
        shared = policy if spec.engine.kind == "torch" else None  # DeepSpeed may divide its weights among the ranks
        with ranks.failing_together():
            sampler = make_sampler(spec.sampler, folder, spec.engine.dtype, shared)
        attempt = cls(
            spec=spec,
            start=folder,
            workdir=workdir,
            stop=stop,
            save_seconds=save_seconds,
            engine=engine,
            sampler=sampler,
            text=text,
            state=State.first(engine, spec),
        )
        attempt.load()
        with ranks.failing_together():
            if workdir.owned:
                workdir.owned.starts_from(attempt.steps)
        return attempt

    def load(self) -> None:
        """Load the newest intact checkpoint, if there is one. Raises BadInput if another number of ranks made it."""
        ranks = self.workdir.ranks
        found = checkpoint.load(self.workdir.checkpoints, ranks)
        if not found:
            return
        tensors, plain, path = found
        if plain["ranks"] != ranks.size:
            raise BadInput(
                f"{path}: made by {plain['ranks']} ranks, got {ranks.size}: launch {plain['ranks']} ranks,"
                " or start over with --fresh"
            )
        unpack(self.state, tensors, plain)
        self.engine.load(checkpoint.read_part(path, ranks))
        self.folders, self.curve = plain["folders"], plain["curve"]
        if ranks.is_main:
            where = f"update {self.steps}, rollout {self.state.history.rollouts} of {self.spec.regime.rollouts}"
            print(f"resuming from checkpoint {path.name}: {where}", file=sys.stderr, flush=True)

    def context(self, task_setup: TaskSetup, examples: Sequence[Example]) -> RunContext:
        """What the training loop needs besides the state. Leaves out examples whose prompts are too long."""
        chosen = within_prompt_limit(examples, self.text, task_setup, self.spec.sampling.prompts)
        if len(chosen) < len(examples) and self.workdir.ranks.is_main:
            left, limit = len(examples) - len(chosen), task_setup.protocol.max_prompt_tokens
            print(f"{left} of {len(examples)} examples left out: prompts over {limit} tokens", file=sys.stderr)
        probe = self.text.prompts(task_setup.prompt, [example.question for example in chosen[:PROBE_PROMPTS]])
        sync = make_sync(self.engine, self.sampler, self.spec.engine.dtype, probe, self.sampler_folder, self.start)
        return RunContext(self.spec, self.sampler, self.text, task_setup, chosen, sync)

    def sampler_folder(self) -> Path:
        """An empty folder through which weights pass to the sampler. Called by rank 0."""
        self.workdir.check()
        return self.workdir.owned.empty_folder("sampler")

    @property
    def steps(self) -> int:
        """Optimiser steps taken since the run's start."""
        return self.state.history.steps

    @property
    def over(self) -> bool:
        """Whether the run has finished or diverged."""
        history = self.state.history
        return history.status == "diverged" or history.rollouts == self.spec.regime.rollouts

    def digests(self) -> dict[str, str]:
        """sha256 of each file of the kept policies, by its path in the result."""
        return {
            f"{folder}/{record['name']}": record["sha256"]
            for folder, records in self.folders.items()
            for record in records
        }

    def after_each(self) -> None:
        """Keep the policy if the learning curve needs it, save a checkpoint if it is time, stop if there is a reason.

        Called after each pass of the training loop. Raises TryAgain to stop.
        """
        rollouts, regime = self.state.history.rollouts, self.spec.regime
        if self.over:
            return
        name = f"checkpoints/rollout{rollouts:04d}"
        if in_curve(rollouts, self.spec.checkpoint_every) and name not in self.folders:
            self.keep(name)
            self.curve.append({"rollouts": rollouts, "folder": name})
        due = time.monotonic() - self.saved_at >= self.save_seconds
        # Clocks and signals differ from rank to rank, and all must do the same.
        answers = self.workdir.ranks.gather((self.stop.reason(self.save_cost), due))
        reason = next((reason for reason, _ in answers if reason), None)
        if reason or answers[0][1]:
            self.save()
        if reason:
            total = regime.rollouts * regime.minibatches * regime.epochs
            raise TryAgain(f"stopped at update {self.steps} of about {total}: {reason}; run me again")

    def keep(self, name: str) -> None:
        """Write the current policy to a folder of the result."""
        weights, records = self.engine.weights(), None
        with self.workdir.ranks.failing_together():
            if self.workdir.owned:
                records = self._write(name, weights)
        self.folders[name] = self.workdir.ranks.broadcast(records)

    def _write(self, name: str, weights: dict[str, Tensor]) -> list[dict]:
        self.workdir.check()
        try:
            folder = self.workdir.owned.empty_folder(name)
            records = save_weights(folder, weights, self.start)
            flush(folder)
        except OSError as error:
            self.workdir.check()
            raise TryAgain(f"{self.workdir.owned.result / name}: cannot be written ({error.strerror})") from None
        return records

    def save(self) -> None:
        """Save a checkpoint. Raises TryAgain if it cannot be written, or if another process has taken the lease."""
        workdir = self.workdir
        with workdir.ranks.failing_together():
            workdir.check()
        began = time.monotonic()
        tensors, plain = pack(self.state)
        plain |= {"folders": self.folders, "curve": self.curve, "ranks": workdir.ranks.size}
        files = {workdir.result / name: sha256 for name, sha256 in self.digests().items()}
        try:
            checkpoint.save(workdir.checkpoints, tensors, plain, files, workdir.ranks, self.engine.tensors())
        except TryAgain:
            with workdir.ranks.failing_together():
                workdir.check()  # a lost lease is the better explanation
            raise
        self.saved_at = time.monotonic()
        self.save_cost = self.saved_at - began
        with workdir.ranks.failing_together():
            if workdir.owned:
                workdir.owned.note(self.steps)
