"""A run of about a second, and the processes that make attempts at it. They are forked, to start in milliseconds."""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from smoothgates.errors import BadInput, TryAgain
from smoothgates.stages import policy, prepare
from smoothgates.stages.train import Inputs, Result, RunOptions
from smoothgates.stages.train import run as train
from smoothgates.train import loop

ARCHITECTURE = {
    "vocab_size": 112,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
    "initializer_range": 0.05,
}
SPEC = {
    "task": "math",
    "regime_name": "reuse",
    "method_name": "erf",
    "seed": 0,
    "method": {"gate": "erf", "tau": [10.0, 12.0]},
    "regime": {"rollouts": 4, "minibatches": 2, "epochs": 2, "lag": 1, "optimizer": {"lr": 3e-4}},
    "protocol": {"reward": "exact", "max_new_tokens": 12},
    "sampling": {"prompts": 8, "group": 8},
    "checkpoint_every": 1,
}
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"}
"""Audit events of operations that change a directory. Files opened for writing count as well."""


@dataclass(frozen=True)
class Run:
    """A training run: its inputs, its spec, and the folder of its result and work directories."""

    inputs: Path
    folder: Path
    spec: dict

    def train(self, **how) -> None:
        """Train in this process."""
        how = {"save_seconds": 0, "wait": 0} | how
        out = self.folder / "result"
        inputs = Inputs(self.inputs / "data/manifest.json", self.inputs / "policy/model.json")
        result = Result(out / "model.json", out / "metrics.parquet")
        train(json.dumps(self.spec), inputs, result, RunOptions(work=self.work, **how))

    def command(self, *flags: str) -> list[str]:
        """The command line of the same training."""
        out = self.folder / "result"
        paths = {
            "--data": self.inputs / "data/manifest.json",
            "--policy": self.inputs / "policy/model.json",
            "--out": out / "model.json",
            "--metrics": out / "metrics.parquet",
            "--work": self.work,
        }
        words = [str(word) for pair in paths.items() for word in pair]
        return [sys.executable, "-m", "smoothgates", "train", "--spec", json.dumps(self.spec), *words, *flags]

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def attempts(self) -> list[dict]:
        return json.loads((self.folder / "result/run.json").read_text())["attempts"]

    def result(self) -> dict[str, str]:
        """Digest of every file of the result, temporary files included, except run.json."""
        out = self.folder / "result"
        return {
            path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(out.rglob("*"))
            if path.is_file() and path.name != "run.json"
        }

    @property
    def updates(self) -> int:
        """Number of updates that all attempts made, including those that were lost and repeated."""
        made = self.folder / "updates"
        return made.stat().st_size if made.exists() else 0

    @property
    def log(self) -> str:
        """Output of the attempts."""
        return (self.folder / "log").read_text()

    def elsewhere(self, name: str, **changes) -> "Run":
        """The same run in another folder, with changes to its spec."""
        (self.folder / name).mkdir()
        return Run(self.inputs, self.folder / name, {**self.spec, **changes})


def make_inputs(folder: Path) -> None:
    """Make data, and a warm start that guesses: some of its answers are right."""
    rows = {"source": "word_problems", "rows": 300}
    spec = {"task": "math", "train": [rows], "benchmarks": {}, "seed": 0}
    prepare.run(json.dumps(spec), folder / "data/manifest.json")
    phase = {"steps": 60, "hasty": 1.0, "optimizer": {"lr": 1e-2}}
    spec = {
        "task": "math",
        "method_name": "warm_start",
        "seed": 0,
        "architecture": ARCHITECTURE,
        "tokenizer": "words",
        "supervised": {"batch_size": 16, "phases": [phase]},
    }
    policy.run(json.dumps(spec), folder / "data/manifest.json", folder / "policy/model.json")


def fork(act: Callable[[], None], log: Path) -> int:
    """Process id of a child that calls `act` and exits with the code that the command line would."""
    if child := os.fork():
        return child
    code = 1
    try:
        torch.set_num_threads(1)
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        act()
        code = 0
    except TryAgain as error:
        print(f"try again: {error}", file=sys.stderr, flush=True)
        code = 75
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        code = 2
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def wait(child: int) -> int:
    """Exit code of a child, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def attempt(run: Run, die_at: int | None = None, **how) -> int:
    """Make an attempt in a child that is killed before its n-th change of a file or folder. Returns its exit code."""
    return wait(start(run, die_at, **how))


def start(run: Run, die_at: int | None = None, **how) -> int:
    """Start the child of an attempt. It adds a byte to the file `updates` for each update."""

    def act():
        made, update = os.open(run.folder / "updates", os.O_WRONLY | os.O_CREAT | os.O_APPEND), loop.update
        loop.update = lambda *arguments: (os.write(made, b"."), update(*arguments))[1]
        changes = 0

        def hook(event: str, arguments: tuple) -> None:
            nonlocal changes
            opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if opened or event in WRITES:
                changes += 1
                if changes == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        run.train(**how)
        print(f"changes: {changes}", file=sys.stderr)

    return fork(act, run.folder / "log")
