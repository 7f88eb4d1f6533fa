"""Measure a machine: speed and memory of short runs, and the numerical noise of log-probabilities.

The tests beside this file check the results, and record.py records them.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import torch
import yaml
from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.load import load_policy
from smoothgates.provenance.environments import environment_of
from smoothgates.rollout.vllm_sampler import VllmSampler
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.train import EngineConfig
from smoothgates.study.loader import LoadedStudy, load_study
from smoothgates.train.engine.torch_engine import TorchEngine

ROOT = Path(__file__).parents[2]
KINDS = (("torch", "torch"), ("torch", "vllm"), ("deepspeed", "vllm"))
"""Engine and sampler."""
SMALL = {
    "vocab_size": 112,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
}
"""The policy for ordinary cores."""
MEMORY = 0.3
"""Share of the GPU for vLLM beside a trainer."""
MACHINES = {"H100": "h100", "H200": "h200", "A100": "a100", "4090": "rtx4090"}
"""Part of a GPU's name, and the name of the machine in config/machines.yaml."""
INTERVAL = 0.05
"""Seconds between two samples of the GPU's memory."""
ROWS, LENGTH, PROMPT = 16, 96, 24
"""Tokens of each sequence whose log-probabilities are compared, and how many of these are its prompt."""


def available(device: str) -> list[tuple[str, str]]:
    """The installed engines and samplers that use this device. torch for both is left out on a GPU."""
    kinds = [kinds for kinds in KINDS if all(kind == "torch" or find_spec(kind) for kind in kinds)]
    return [each for each in kinds if device == "cpu" or each != ("torch", "torch")]


class Bench:
    """A folder with data and a policy to begin with, and runs from there."""

    def __init__(self, folder: Path, device: str):
        self.folder, self.device = folder, device
        self.env = ("--env", environment_of("train", device))
        shutil.copytree(ROOT / "config", folder / "config")
        study = self.study("torch", "torch")
        self.data, self.start = folder / "data/manifest.json", folder / "policy/model.json"
        self.stage("prepare", *self.env, "--spec", study.prepare_spec("math").canonical(), "--out", self.data)
        spec = study.policy_spec("math", 0, "warm_start").canonical()
        self.stage("policy", *self.env, "--spec", spec, "--data", self.data, "--out", self.start)

    def study(self, engine: str, sampler: str) -> LoadedStudy:
        """The study with this engine and sampler, in bfloat16 on a GPU."""
        study = yaml.safe_load((ROOT / "tests/gpu/study.yaml").read_text())
        on_gpu = self.device == "cuda"
        settings = {"dtype": "bfloat16", "tokens": 8192, "packed": True, "logits": 1024} if on_gpu else {"tokens": 512}
        study |= {"engine": {"kind": engine, **settings}, "sampler": {"kind": sampler, "memory": MEMORY}}
        study["device"] = self.device
        if not on_gpu:
            study["architecture"] = SMALL
            study["tasks"]["math"] |= {"sampling": {"prompts": 4, "group": 4}}
            study["tasks"]["math"]["protocol"]["max_new_tokens"] = 16
        path = self.folder / f"config/{engine}_{sampler}.yaml"
        path.write_text(yaml.safe_dump(study))
        return load_study(str(path))

    def stage(self, *words: str | Path) -> str:
        """Run a command of the project in this folder. Return its output."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, "-m", "smoothgates", *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def short_run(self, engine: str, sampler: str) -> dict:
        """Speed and memory of a run of three rollouts, the first of which is left out of the speed."""
        study, out = self.study(engine, sampler), self.folder / f"{engine}_{sampler}"
        spec = study.train_spec("math", "near", "grpo", 0).canonical()
        words = (*self.env, "--spec", spec, "--data", self.data, "--policy", self.start, "--out", out / "model.json")
        with Peak(self.device) as peak:
            self.stage("launch", "--processes", "1", "--", "train", *words, "--metrics", out / "metrics.parquet")
        record = json.loads((out / "run.json").read_text())
        warm = record["rollouts"][1:]
        tokens = sum(each["sampled_tokens"] for each in warm)
        return {
            "engine": engine,
            "sampler": sampler,
            "gpus": record["gpus"],
            "seconds": record["seconds"],
            "sampled_tokens_per_second": tokens / sum(each["sample_seconds"] for each in warm),
            "trained_tokens_per_second": tokens / sum(each["update_seconds"] for each in warm),
            "peak_bytes": peak.most if self.device == "cuda" else record["peak_mib"] * 2**20,
            "planned_bytes": self.planned(study),
        }

    def planned(self, study: LoadedStudy) -> float | None:
        """Peak memory of a training job by `plan`. None for a GPU that is not in config/machines.yaml."""
        machine = machine_name(self.device)
        if machine is None:
            return None
        words = ("plan", "--study", study.path, "--machine", machine, "--json")
        rows = json.loads(self.stage(*words))["rows"]
        return next(row["peak_bytes"] for row in rows if row["rule"] == "train")

    def noise(self, dtype: str) -> dict[str, dict[str, float]]:
        """Differences, in nats, of log-probabilities of the same tokens with the same weights."""
        folder = self.start.parent / "weights"
        ids = sequences(load_policy(folder)[0].arch.vocab_size)
        whole = self.scored(ids, dtype, rows=ROWS)
        found = {
            "again": gap(whole, self.scored(ids, dtype, rows=ROWS)),
            "in micro-batches of one": gap(whole, self.scored(ids, dtype, rows=1)),
            "packed": gap(whole, self.scored(ids, dtype, rows=ROWS, packed=True)),
            "in single precision": gap(whole, self.scored(ids, "float32", rows=ROWS)),
        }
        if find_spec("vllm") and (self.device == "cuda" or dtype == "float32"):  # not all cores support bfloat16
            sampler = VllmSampler(folder, MEMORY, dtype)
            theirs = torch.tensor(sampler.score(ids.tolist()))[:, PROMPT - 1 :]
            sampler.close()
            found["vLLM"] = gap(whole, theirs)
        return found

    def scored(self, ids: Tensor, dtype: str, rows: int, packed: bool = False) -> Tensor:
        """The trainer's log-probabilities of completions, computed for `rows` rows at a time."""
        policy, _ = load_policy(self.start.parent / "weights")
        engine = TorchEngine(policy, EngineConfig(dtype=dtype, packed=packed), Adam(lr=1.0), Ranks(), self.device)
        with torch.no_grad():
            parts = [
                engine.score(part, torch.full((len(part),), PROMPT), torch.full((len(part),), LENGTH - PROMPT))[0]
                for part in ids.split(rows)
            ]
        return torch.cat(parts).cpu()


class Peak:
    """The peak of a GPU's memory within the block, over all processes, above its use before."""

    def __init__(self, device: str):
        self.device, self.most, self.over = device, 0, threading.Event()
        self.watch = threading.Thread(target=self.look, daemon=True)

    def __enter__(self) -> "Peak":
        if self.device == "cuda":
            self.before = self.taken()
            self.watch.start()
        return self

    def __exit__(self, *_) -> None:
        if self.device == "cuda":
            self.over.set()
            self.watch.join()

    def look(self) -> None:
        while not self.over.wait(INTERVAL):
            self.most = max(self.most, self.taken() - self.before)

    def taken(self) -> int:
        free, total = torch.cuda.mem_get_info()
        return total - free


def machine_name(device: str) -> str | None:
    if device == "cpu":
        return "cpu"
    name = torch.cuda.get_device_name()
    return next((f"{machine}x1" for part, machine in MACHINES.items() if part in name), None)


def sequences(vocabulary: int) -> Tensor:
    """Random token ids (ROWS, LENGTH)."""
    return torch.randint(vocabulary, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))


def gap(a: Tensor, b: Tensor) -> dict[str, float]:
    """Mean and largest absolute difference."""
    away = (a - b).abs()
    return {"mean": away.mean().item(), "max": away.max().item()}
