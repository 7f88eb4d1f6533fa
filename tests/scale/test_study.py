"""A whole study with vLLM and two ranks of DeepSpeed, from data to report, learns as torch alone does.

Random numbers differ between samplers, and so do runs. Therefore torch makes several runs from the same warm start, and
the study's runs must lie where another run of torch would.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import t

from smoothgates.specs.rollout import SamplerConfig
from smoothgates.specs.train import EngineConfig
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "workflow", "src", "envs", "config")
METHODS = ("grpo", "erf")
SEEDS = (1, 2, 3, 4)
"""The seeds of torch's runs."""
CONFIDENCE = 0.99
RUNS = Path("results/scale/train/math/near")
START = Path("results/scale/policy/math/seed0/model.json")
DATA = Path("results/scale/data/math/manifest.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A copy of the project in which the study has run."""
    folder = tmp_path_factory.mktemp("scale") / "checkout"
    folder.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "tests/scale/study.yaml", folder / "config/scale.yaml")
    snakemake(folder)
    return folder


@pytest.fixture(scope="module")
def torch_alone(folder) -> dict[str, list[float]]:
    """Scores of torch's runs, by method."""
    study = load_study(str(folder / "config/scale.yaml"))

    def train(run: tuple[str, int]) -> Path:
        spec = study.train_spec("math", "near", run[0], run[1])
        spec = spec.model_copy(update={"engine": EngineConfig(), "sampler": SamplerConfig()})
        out = Path("torch", run[0], f"seed{run[1]}")
        words = ("--data", DATA, "--policy", START, "--out", out / "model.json", "--metrics", out / "metrics.parquet")
        stage(folder, "train", "--spec", spec.canonical(), *words)
        return out / "model.json"

    runs = [(method, seed) for method in METHODS for seed in SEEDS]
    with ThreadPoolExecutor(2) as pool:
        models = list(pool.map(train, runs))
    scores = evaluated_by_torch(folder, models)
    return {name: [s["score"] for s, run in zip(scores, runs, strict=True) if run[0] == name] for name in METHODS}


def stage(folder: Path, *words: str | Path) -> None:
    command = [sys.executable, "-m", "smoothgates", *map(str, words)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(folder / "src")}
    )
    assert done.returncode == 0, done.stderr


def snakemake(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "2"]
    chosen = ["--set-resources", "train:ranks=2", "--config", "study=scale"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run([*command, *chosen, *words], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def evaluated_by_torch(folder: Path, models: list[Path]) -> list[dict]:
    """The `final` scores of some models."""
    spec = load_study(str(folder / "config/scale.yaml")).evaluate_spec("math", "heldout")
    spec = spec.model_copy(update={"sampler": SamplerConfig(), "curve": None})
    outs = [Path("torch/scores", model.parent, "heldout.json") for model in models]
    words = [word for pair in zip(models, outs, strict=True) for word in ("--model", pair[0], "--out", pair[1])]
    stage(folder, "evaluate", "--spec", spec.canonical(), "--data", DATA, *words)
    return [json.loads((folder / out).read_text())["final"] for out in outs]


def scores_of(folder: Path, arm: str) -> dict:
    return json.loads((folder / f"results/scale/evaluate/math/{arm}/seed0/heldout.json").read_text())


def test_the_study_ends_in_a_report_with_nothing_left_to_do(folder):
    assert (folder / "reports/scale/index.html").stat().st_size > 10_000
    assert "Nothing to be done" in snakemake(folder, "--dry-run")


def test_vllm_and_two_ranks_were_used(folder):
    for method in METHODS:
        manifest = json.loads((folder / RUNS / method / "seed0/model.json").read_text())
        assert manifest["spec"]["engine"]["kind"] == "deepspeed"
        assert manifest["spec"]["sampler"]["kind"] == "vllm"
        log = (folder / f"logs/scale/train/math/near/{method}/seed0.log").read_text()
        assert "[rank 0]" in log


@pytest.mark.parametrize("method", METHODS)
def test_it_learns(folder, method):
    scores, start = scores_of(folder, f"near/{method}"), scores_of(folder, "control/warm_start")
    assert scores["final"]["score"] > start["final"]["score"] + 0.3
    assert scores["final"]["greedy"] > start["final"]["greedy"] + 0.3


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_as_torch_alone_does(folder, method, torch_alone):
    """It lies in the interval of one more run of torch: noise of runs and of scores together."""
    runs, free = len(SEEDS), len(METHODS) * (len(SEEDS) - 1)
    squares = [(score - sum(scores) / runs) ** 2 for scores in torch_alone.values() for score in scores]
    width = t.ppf((1 + CONFIDENCE) / 2, free) * math.sqrt(sum(squares) / free * (1 + 1 / runs))
    found, expected = scores_of(folder, f"near/{method}")["final"]["score"], sum(torch_alone[method]) / runs
    assert width < 0.2, "runs of torch differ too much for a comparison"
    assert abs(found - expected) <= width, (found, torch_alone)


def test_sampler_and_trainer_agree_on_every_token(folder):
    for method in METHODS:
        updates = pd.read_parquet(folder / RUNS / method / "seed0/metrics.parquet")
        assert 0 < updates["sampler_gap"].max() < 1e-3
        assert (updates["clamped"] == 0).all()


def test_a_checkpoint_scores_the_same_with_either_sampler(folder):
    """Greedily but for near-ties; sampled, within the noise that is left when the problems are held fixed."""
    models = [START, *(RUNS / method / "seed0/model.json" for method in METHODS)]
    arms = ["control/warm_start", *(f"near/{method}" for method in METHODS)]
    for arm, theirs in zip(arms, evaluated_by_torch(folder, models), strict=True):
        ours = scores_of(folder, arm)["final"]
        assert abs(ours["greedy"] - theirs["greedy"]) <= 1 / ours["problems"]
        assert abs(ours["score"] - theirs["score"]) <= 3.3 * math.hypot(
            ours["sampling_error"], theirs["sampling_error"]
        )
