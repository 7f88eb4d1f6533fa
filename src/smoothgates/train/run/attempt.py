"""An attempt at a run: it goes on from the last checkpoint, saves now and then, and stops when it is time."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from smoothgates.data.examples import read_examples
from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import flush
from smoothgates.policy.load import load_policy
from smoothgates.policy.manifest import verified_folder
from smoothgates.policy.save import save_weights
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.prompt_limit import within_prompt_limit
from smoothgates.rollout.task_setup import TaskSetup
from smoothgates.specs.train import TrainSpec
from smoothgates.tasks.task import Example
from smoothgates.train.engine.make import loaded_dtype, make_engine
from smoothgates.train.means import Means
from smoothgates.train.run import checkpoint
from smoothgates.train.run.state import State, pack, unpack
from smoothgates.train.run.stop import Stop
from smoothgates.train.run.workdir import CHECKPOINTS, Work
from smoothgates.train.sync import PROBE, make_sync


class Session:
    """The state of a run, and its keeping."""

    def __init__(
        self,
        spec: TrainSpec,
        start: Path,
        folder: Path,
        work: Work | None,
        ranks: Ranks,
        stop: Stop,
        save_seconds: float,
    ):
        """As the last attempt left it, or else at its beginning, from the policy that the manifest `start` names.

        All ranks share the work directory `folder`; rank 0 has its `work`. Raises BadInput, on all ranks.
        """
        torch.set_num_threads(1)  # sums over threads differ in their last bits
        self.spec, self.work, self.ranks, self.stop, self.save_seconds = spec, work, ranks, stop, save_seconds
        self.folder, self.checkpoints = folder, folder / CHECKPOINTS
        with ranks.as_one():
            self.start = verified_folder(start)
            policy, self.text = load_policy(self.start, spec.published, loaded_dtype(spec.engine))
        self.engine = make_engine(policy, spec, ranks)
        shared = policy if spec.engine.kind == "torch" else None  # DeepSpeed may divide it among the ranks
        with ranks.as_one():
            self.sampler = make_sampler(spec.sampler, self.start, spec.engine.dtype, shared)
        self.state = State.first(self.engine, spec)
        self.folders: dict[str, list[dict]] = {}
        """Policies in the work directory that are part of the result: folder, records of its files."""
        self.curve: list[dict] = []
        """Those of the learning curve, as the result's manifest lists them."""
        self.saved, self.cost = time.monotonic(), 0.0
        """When the last checkpoint was made, and the seconds that one took."""
        self.go_on()
        with ranks.as_one():
            if work:
                work.starts_from(self.steps)

    def go_on(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        found = checkpoint.load(self.checkpoints, self.ranks)
        if not found:
            return
        tensors, plain, path = found
        if plain["ranks"] != self.ranks.size:
            raise BadInput(
                f"{path}: made by {plain['ranks']} ranks, and now there are {self.ranks.size}:"
                f" launch {plain['ranks']}, or give --fresh to start over"
            )
        unpack(self.state, tensors, plain)
        self.engine.load(checkpoint.read_part(path, self.ranks))
        self.folders, self.curve = plain["folders"], plain["curve"]
        if self.ranks.leads:
            where = f"update {self.steps}, rollout {self.state.history.rollouts} of {self.spec.regime.rollouts}"
            print(f"going on from checkpoint {path.name}: {where}", file=sys.stderr, flush=True)

    def means(self, task_setup: TaskSetup, data: Path) -> Means:
        examples = read_examples(data)
        chosen = within_prompt_limit(examples, self.text, task_setup, self.spec.sampling.prompts)
        if len(chosen) < len(examples) and self.ranks.leads:
            left, limit = len(examples) - len(chosen), task_setup.protocol.max_prompt_tokens
            print(f"{left} of {len(examples)} examples left out: more than {limit} tokens of prompt", file=sys.stderr)
        return Means(self.engine, self.sampler, self.text, task_setup, chosen, self.sync(task_setup, chosen))

    def sync(self, task_setup: TaskSetup, examples: list[Example]) -> Callable[[], None]:
        """What keeps the sampler up to date; its probe is the prompts of the first examples."""

        def place() -> Path:
            self.work.lease.check()
            return self.work.folder_of("sampler")

        prompts = self.text.prompts(task_setup.prompt, [example.question for example in examples[:PROBE]])
        dtype = self.spec.engine.dtype
        return make_sync(self.engine, self.sampler, dtype, prompts, place, self.start, lambda: self.steps)

    @property
    def steps(self) -> int:
        return self.state.history.steps

    @property
    def over(self) -> bool:
        history = self.state.history
        return history.status == "diverged" or history.rollouts == self.spec.regime.rollouts

    def files(self) -> dict[str, str]:
        """Digest of each file of those policies, by its place in the result."""
        return {
            f"{folder}/{record['name']}": record["sha256"]
            for folder, records in self.folders.items()
            for record in records
        }

    def between(self) -> None:
        """After each act: keep what the learning curve needs, save if it is time, stop if there is a reason."""
        rollouts, regime = self.state.history.rollouts, self.spec.regime
        if self.over:
            return
        name = f"checkpoints/rollout{rollouts:04d}"
        if rollouts and rollouts % self.spec.checkpoint_every == 0 and name not in self.folders:
            self.keep(name)
            self.curve.append({"rollouts": rollouts, "folder": name})
        due = time.monotonic() - self.saved >= self.save_seconds
        told = self.ranks.gather((self.stop.reason(self.cost), due))  # clocks and signals differ from rank to rank
        reason = next((reason for reason, _ in told if reason), None)
        if reason or told[0][1]:
            self.save()
        if reason:
            about = regime.rollouts * regime.minibatches * regime.epochs
            raise TryAgain(f"stopped at update {self.steps} of about {about}: {reason}; run me again")

    def keep(self, name: str) -> None:
        """Write the policy as it is now into a folder of the result."""
        weights, records = self.engine.weights(), None
        with self.ranks.as_one():
            if self.work:
                records = self.write(self.work, name, weights)
        self.folders[name] = self.ranks.first(records)

    def write(self, work: Work, name: str, weights: dict[str, Tensor]) -> list[dict]:
        work.lease.check()
        try:
            folder = work.folder_of(name)
            records = save_weights(folder, weights, self.start)
            flush(folder)
        except OSError as error:
            work.lease.check()
            raise TryAgain(f"{work.result / name}: cannot be written ({error.strerror})") from None
        return records

    def save(self) -> None:
        """Make a checkpoint."""
        with self.ranks.as_one():
            self.check()
        began = time.monotonic()
        tensors, plain = pack(self.state)
        plain |= {"folders": self.folders, "curve": self.curve, "ranks": self.ranks.size}
        files = {self.work.result / name: sha256 for name, sha256 in self.files().items()} if self.work else {}
        try:
            checkpoint.save(self.checkpoints, tensors, plain, files, self.ranks, self.engine.tensors())
        except TryAgain:
            with self.ranks.as_one():
                self.check()  # if it is lost, then that is why
            raise
        self.saved = time.monotonic()
        self.cost = self.saved - began
        with self.ranks.as_one():
            if self.work:
                self.work.note(self.steps)

    def check(self) -> None:
        """Raises TryAgain on rank 0 if the work directory is no longer ours."""
        if self.work:
            self.work.lease.check()
