"""K7: CPU seconds to evaluate a run with one seed: its last policy and its checkpoints. All seeds share a process."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from smoothgates.stages import policy, prepare
from smoothgates.study.loader import load_study

from .harness import Row, cpu_seconds, summary

TASK, REGIME, BENCHMARK = "math", "near", "heldout"


def measure(study: str = "laptop", steps: int = 200, repeats: int = 3) -> Iterator[Row]:
    """Evaluate runs as the study's rule does. They do not learn: all their policies are one short warm start.

    `steps`: of that warm start. After 200, its answers end as those of the study do.
    """
    loaded = load_study(study)
    spec, seeds = loaded.evaluate_spec(TASK, BENCHMARK), len(loaded.config.seeds)
    regime, every = loaded.config.regimes[REGIME], loaded.config.checkpoint_every
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, model = folder / "data/manifest.json", folder / "run/model.json"
        prepare.run(loaded.prepare_spec(TASK).canonical(), data)
        warm = loaded.policy_spec(TASK, 0, "warm_start")
        phase = warm.supervised.phases[0].model_copy(update={"steps": steps})
        short = warm.supervised.model_copy(update={"phases": (phase,)})
        policy.run(warm.model_copy(update={"supervised": short}).canonical(), data, model)
        checkpoints = tuple(range(every, regime.rollouts, every))
        add_checkpoints(model, regime.rollouts, checkpoints)
        command = [sys.executable, "-m", "smoothgates", "evaluate", "--spec", spec.canonical(), "--data", str(data)]
        for seed in range(seeds):
            command += ["--model", str(model), "--out", str(folder / f"scores/{seed}/{BENCHMARK}.json")]
        found = [cpu_seconds(command) / seeds for _ in range(repeats)]
    what = f"evaluate a run of {TASK} with {1 + len(checkpoints)} policies, {seeds} seeds in a process"
    yield summary(found, part="K7", what=what, unit="s", target="<= 0.6")


def add_checkpoints(model: Path, rollouts: int, kept: tuple[int, ...]) -> None:
    """Make a warm start look like a run of so many rollouts that kept these checkpoints."""
    manifest = json.loads(model.read_text())
    for at in kept:
        name = f"checkpoints/rollout{at:04}"
        shutil.copytree(model.parent / "weights", model.parent / name)
        manifest["folders"][name] = manifest["folders"]["weights"]
        manifest["checkpoints"].append({"rollouts": at, "folder": name})
    manifest["rollouts"], manifest["spec"]["regime_name"] = rollouts, REGIME
    model.write_text(json.dumps(manifest))
