"""Evaluation: one sampler serves all runs of a job, and no run affects the scores of another."""

import json
import shutil
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.io.paths import samples_of
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.specs.evaluate import EvaluateSpec, SamplingBudget
from smoothgates.specs.prepare import Part, PrepareSpec
from smoothgates.stages import evaluate, policy, prepare
from smoothgates.study.loader import load_study

PART = Part(source="word_problems", rows=16)
SPEC = EvaluateSpec(
    task="math",
    benchmark="heldout",
    protocol=load_study("laptop").config.tasks["math"].protocol,
    temperature=1.0,
    final=SamplingBudget(problems=16, samples=2),
    greedy=True,
    curve=SamplingBudget(problems=4, samples=1),
    seed=0,
).canonical()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data, and two runs with random weights and one earlier checkpoint each."""
    folder = tmp_path_factory.mktemp("runs")
    data = folder / "data/manifest.json"
    training = Part(source="word_problems", rows=300)
    parts = PrepareSpec(task="math", train=(training,), benchmarks={"heldout": PART}, seed=0)
    prepare.run(parts.canonical(), data)
    models = []
    for seed in (0, 1):
        models.append(folder / f"{seed}/model.json")
        spec = load_study("laptop").policy_spec("math", seed, "warm_start").model_copy(update={"supervised": None})
        policy.run(spec.canonical(), data, models[-1])
    for model, other in zip(models, reversed(models), strict=True):
        name = "checkpoints/rollout0001"
        shutil.copytree(other.parent / "weights", model.parent / name)
        manifest = json.loads(model.read_text())
        manifest["folders"][name] = json.loads(other.read_text())["folders"]["weights"]
        manifest["checkpoints"] = [{"rollouts": 1, "folder": name}]
        manifest["spec"]["regime_name"], manifest["rollouts"] = "near", 2
        model.write_text(json.dumps(manifest))
    return data, models


@pytest.fixture
def samplers(monkeypatch):
    """Records the samplers that are made and closed, and the folders that are loaded."""
    seen = {"made": [], "loaded": [], "closed": 0}

    class Watched(TorchSampler):
        def load(self, folder):
            seen["loaded"].append(folder)
            super().load(folder)

        def close(self):
            seen["closed"] += 1

    real = evaluate.make_sampler

    def make(spec, folder, dtype):
        seen["made"].append(folder)
        return Watched(real(spec, folder, dtype).policy)

    monkeypatch.setattr(evaluate, "make_sampler", make)
    return seen


def outs(folder):
    return [folder / f"{seed}/heldout.json" for seed in (0, 1)]


def test_one_sampler_loads_every_policy_of_every_run(made, samplers, tmp_path):
    data, models = made
    evaluate.run(SPEC, data, models, outs(tmp_path))
    assert samplers["made"] == [models[0].parent / "weights"]
    folders = [model.parent / name for model in models for name in ("weights", "checkpoints/rollout0001")]
    assert samplers["made"] + samplers["loaded"] == folders, "each is read once"
    assert samplers["closed"] == 1


def test_scores_do_not_depend_on_what_was_scored_before(made, tmp_path):
    data, models = made
    alone, forth, back = (outs(tmp_path / name) for name in ("alone", "forth", "back"))
    evaluate.run(SPEC, data, models, forth)
    evaluate.run(SPEC, data, models[::-1], back[::-1])
    for model, *found in zip(models, alone, forth, back, strict=True):
        evaluate.run(SPEC, data, [model], found[:1])
        assert len({out.read_bytes() for out in found}) == 1
        assert len({Path(samples_of(out.as_posix())).read_bytes() for out in found}) == 1
    first, second = (Path(samples_of(out.as_posix())).read_bytes() for out in alone)
    assert first != second, "both runs would have the same policy"


def test_a_benchmark_with_too_few_problems_is_refused(made, tmp_path):
    data, models = made
    spec = EvaluateSpec.model_validate_json(SPEC)
    more = spec.model_copy(update={"final": SamplingBudget(problems=17, samples=1)})
    with pytest.raises(BadInput, match=r"manifest\.json: heldout: expected at least 17 problems, got 16"):
        evaluate.run(more.canonical(), data, models, outs(tmp_path))


def test_a_damaged_policy_is_named_and_the_sampler_closed(made, samplers, tmp_path):
    data, models = made
    copy = shutil.copytree(models[1].parent, tmp_path / "damaged")
    weights = copy / "checkpoints/rollout0001/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"damaged/checkpoints/rollout0001/model\.safetensors"):
        evaluate.run(SPEC, data, [models[0], copy / "model.json"], outs(tmp_path))
    assert samplers["closed"] == 1
    assert outs(tmp_path)[0].exists()
    assert not outs(tmp_path)[1].exists()
