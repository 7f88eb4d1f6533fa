"""evaluate: a benchmark over every kept checkpoint of some runs. One process serves all seeds of a method."""

import hashlib
from dataclasses import astuple
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.evaluate.benchmark import ask, summarise
from smoothgates.examples import read_examples
from smoothgates.files import digest, read_json, write_json, write_parquet
from smoothgates.policy.folder import CHAT_TEMPLATE, MODEL_SCHEMA, load_manifest_policy
from smoothgates.progress import track
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.rollout.setting import Setting, setting_of
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.specs import Benchmark, EvaluateSpec
from smoothgates.tasks.task import Example

SCHEMA = "smoothgates.scores"


def run(spec_text: str, data: Path, models: list[Path], outs: list[Path], index: Path | None = None) -> None:
    """For each model.json, write its scores to the `out` in the same place.

    Its samples go into samples.parquet/ beside that, a data set with one file a benchmark.
    """
    if len(models) != len(outs):
        raise BadInput(f"--out: expected one for each --model ({len(models)}), got {len(outs)}")
    spec = parse_spec(EvaluateSpec, spec_text)
    examples = read_examples(data, spec.benchmark)
    if len(examples) < spec.final.problems:
        raise BadInput(
            f"{data}: {spec.benchmark}: holds {len(examples)} problems, the benchmark asks for {spec.final.problems}"
        )
    setting = setting_of(spec.task, spec.protocol, index)
    for model, out in track(list(zip(models, outs, strict=True)), "evaluate"):
        execution = Execution("evaluate", spec, (f"tasks.{spec.task}",), [data, model, index])
        write_json(out, {**evaluate_run(spec, setting, examples, model, out), "data_sha256": digest(data)})
        execution.write(out.with_suffix(".run.json"), [out, samples_of(out)])


def evaluate_run(spec: EvaluateSpec, setting: Setting, examples: list[Example], model: Path, out: Path) -> dict:
    """Scores of a run; its samples are written beside `out`."""
    manifest = read_json(model, MODEL_SCHEMA)

    def answers(folder: str, part: Benchmark, temperature: float) -> list[dict]:
        policy, text = load_manifest_policy(model, folder)
        return ask(TorchSampler(policy), text, setting, examples[: part.problems], part.samples, spec, temperature)

    samples = answers(manifest["final"], spec.final, spec.temperature)
    final = summarise(samples)
    curve = []
    if spec.greedy:
        once = Benchmark(problems=spec.final.problems, samples=1)
        final["greedy"] = summarise(answers(manifest["final"], once, 0.0))["score"]
    if spec.curve:
        first = [row for row in samples if row["problem"] < spec.curve.problems and row["sample"] < spec.curve.samples]
        curve = [
            {
                "rollouts": checkpoint["rollouts"],
                **summarise(answers(checkpoint["folder"], spec.curve, spec.temperature)),
            }
            for checkpoint in manifest["checkpoints"]
        ]
        curve.append({"rollouts": manifest["rollouts"], **summarise(first)})
    write_parquet(samples_of(out), samples)
    return {
        "schema": SCHEMA,
        "schema_version": 1,
        "spec": spec.model_dump(mode="json"),
        "run": {key: manifest["spec"][key] for key in ("task", "regime_name", "method_name", "seed")},
        "status": manifest["status"],
        "model_sha256": digest(model),
        "prompt_sha256": hashlib.sha256("\0".join(astuple(setting.prompt)).encode()).hexdigest(),
        "template_sha256": hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest(),
        "final": final,
        "curve": curve,
    }


def samples_of(scores: Path) -> Path:
    """File of the samples that some scores count: samples.parquet/ is one data set, a file a benchmark."""
    return scores.parent / "samples.parquet" / f"{scores.stem}.parquet"
