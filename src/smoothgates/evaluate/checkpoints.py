"""The scores of a run: a benchmark answered by its last policy and by its earlier checkpoints."""

import hashlib
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

from smoothgates.evaluate.benchmark import Benchmark, summarise
from smoothgates.io.files import digest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.manifests.scores import ScoresManifest
from smoothgates.policy.load import load_text
from smoothgates.policy.manifest import verified_folder
from smoothgates.rollout.collect import Actor
from smoothgates.rollout.sampler import Sampler


def score_run(benchmark: Benchmark, model: Path, loaded: Callable[[Path], Sampler]) -> tuple[dict, list[dict]]:
    """Evaluate the policies that the manifest `model` names. Returns the scores, and the final policy's samples.

    `loaded` gives a sampler with the weights of a policy folder. Raises BadInput if a policy is missing or damaged.
    """
    spec, manifest, final = benchmark.spec, read_manifest(model, ModelManifest), verified_folder(model)
    actor = Actor(loaded(final), load_text(final, spec.published), benchmark.task_setup)
    most = max(budget.problems for budget in (spec.final, spec.curve) if budget)
    prompts = actor.prompts(benchmark.examples[:most])
    samples, greedy = benchmark.samples(actor, prompts, spec.final, spec.greedy)
    scores, curve = summarise(samples), []
    if greedy:
        scores["greedy"] = summarise(greedy)["score"]
    if spec.curve:
        for checkpoint in manifest["checkpoints"]:
            earlier = replace(actor, sampler=loaded(verified_folder(model, checkpoint["folder"])))
            found, _ = benchmark.samples(earlier, prompts, spec.curve)
            curve.append({"rollouts": checkpoint["rollouts"], **summarise(found)})
        first = [row for row in samples if row["problem"] < spec.curve.problems and row["sample"] < spec.curve.samples]
        curve.append({"rollouts": manifest["rollouts"], **summarise(first)})
    found = {
        "schema": ScoresManifest.SCHEMA,
        "schema_version": 1,
        "spec": spec.model_dump(mode="json"),
        "run": {key: manifest["spec"][key] for key in ("task", "regime_name", "method_name", "seed")},
        "status": manifest["status"],
        "model_sha256": digest(model),
        "prompt_sha256": sha256("\0".join(astuple(benchmark.task_setup.prompt))),
        "template_sha256": sha256(actor.text.template or ""),
        "final": scores,
        "curve": curve,
    }
    return found, samples


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
