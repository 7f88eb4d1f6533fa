"""An attempt at a run: it goes on from the last checkpoint, saves now and then, and stops when it is time."""

import sys
import time
from pathlib import Path

import torch

from smoothgates.errors import TryAgain
from smoothgates.examples import read_examples
from smoothgates.policy.folder import load_policy, save_weights, verified_folder
from smoothgates.ranks import Ranks
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.setting import Setting
from smoothgates.specs import TrainSpec
from smoothgates.train import checkpoint
from smoothgates.train.engine.make import make_engine
from smoothgates.train.flush import flush
from smoothgates.train.means import Means
from smoothgates.train.state import State, pack, unpack
from smoothgates.train.stop import Stop
from smoothgates.train.work import Work


class Session:
    """The state of a run, and its keeping."""

    def __init__(self, spec: TrainSpec, start: Path, work: Work, stop: Stop, save_seconds: float):
        """As the last attempt left it, or else at its beginning, from the policy that the manifest `start` names."""
        torch.set_num_threads(1)  # sums over threads differ in their last bits
        self.spec, self.work, self.stop, self.save_seconds = spec, work, stop, save_seconds
        self.start = verified_folder(start)
        policy, self.text = load_policy(self.start)
        self.ranks = Ranks()
        self.engine = make_engine(policy, spec, self.ranks)
        self.sampler = make_sampler(spec.sampler, self.start, spec.engine.dtype, policy)
        self.state = State.first(self.engine, spec)
        self.folders: dict[str, list[dict]] = {}
        """Policies in the work directory that are part of the result: folder, records of its files."""
        self.curve: list[dict] = []
        """Those of the learning curve, as the result's manifest lists them."""
        self.saved, self.cost = time.monotonic(), 0.0
        """When the last checkpoint was made, and the seconds that one took."""
        if found := checkpoint.load(work.checkpoints):
            tensors, plain, name = found
            unpack(self.state, tensors, plain)
            self.folders, self.curve = plain["folders"], plain["curve"]
            where = f"update {self.steps}, rollout {self.state.history.rollouts} of {spec.regime.rollouts}"
            print(f"going on from checkpoint {name}: {where}", file=sys.stderr, flush=True)
        work.starts_from(self.steps)

    def means(self, setting: Setting, data: Path) -> Means:
        return Means(self.engine, self.sampler, self.text, setting, read_examples(data))

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
        reason = self.stop.reason(self.cost)
        if reason or time.monotonic() - self.saved >= self.save_seconds:
            self.save()
        if reason:
            about = regime.rollouts * regime.minibatches * regime.epochs
            raise TryAgain(f"stopped at update {self.steps} of about {about}: {reason}; run me again")

    def keep(self, name: str) -> None:
        """Write the policy as it is now into a folder of the result."""
        self.work.lease.check()
        try:
            folder = self.work.folder_of(name)
            self.folders[name] = save_weights(folder, self.engine.weights(), self.start)
            flush(folder)
        except OSError as error:
            self.work.lease.check()
            raise TryAgain(f"{self.work.result / name}: cannot be written ({error.strerror})") from None

    def save(self) -> None:
        """Make a checkpoint."""
        self.work.lease.check()
        began = time.monotonic()
        tensors, plain = pack(self.state)
        plain |= {"folders": self.folders, "curve": self.curve}
        files = {self.work.result / name: sha256 for name, sha256 in self.files().items()}
        try:
            checkpoint.save(self.work.checkpoints, tensors, plain, files)
        except TryAgain:
            self.work.lease.check()  # if it is lost, then that is why
            raise
        self.saved = time.monotonic()
        self.cost = self.saved - began
        self.work.note(self.steps)
