"""evaluate: a benchmark over every kept checkpoint of some runs. One process, one sampler for all seeds of a method."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import astuple
from pathlib import Path

from smoothgates.data.examples import read_examples
from smoothgates.errors import BadInput
from smoothgates.evaluate.benchmark import ask, summarise
from smoothgates.io.files import digest, write_json, write_parquet
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.progress import track
from smoothgates.io.records import parse_spec
from smoothgates.policy.folder import load_text, verified_folder
from smoothgates.provenance.run_record import Execution
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.task_setup import Setting, setting_of
from smoothgates.specs.evaluate import EvaluateSpec, SamplingBudget
from smoothgates.tasks import judging_parts
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
    sampler, charged = None, 0.0
    with ExitStack() as stack:

        def holding(folder: Path) -> Sampler:
            """The one sampler, with the weights of a policy folder."""
            nonlocal sampler
            if sampler is None:
                sampler = stack.enter_context(closing(make_sampler(spec.sampler, folder, spec.dtype)))
            else:
                sampler.load(folder)
            return sampler

        for model, out in track(list(zip(models, outs, strict=True)), "evaluate"):
            execution = Execution("evaluate", spec, judging_parts(spec.task), [data, model, index], charged)
            scores = evaluate_run(spec, setting, examples, holding, model, out)
            write_json(out, {**scores, "data_sha256": digest(data)})
            charged = execution.write(out.with_suffix(".run.json"), [out, samples_of(out)])


def evaluate_run(
    spec: EvaluateSpec,
    setting: Setting,
    examples: list[Example],
    holding: Callable[[Path], Sampler],
    model: Path,
    out: Path,
) -> dict:
    """Scores of a run; its samples are written beside `out`. `holding` gives a sampler with a folder's weights."""
    manifest, final = read_manifest(model, ModelManifest), verified_folder(model)
    text = load_text(final, spec.published)

    def answers(sampler: Sampler, part: SamplingBudget, temperature: float) -> list[dict]:
        return ask(sampler, text, setting, examples[: part.problems], part.samples, spec, temperature)

    sampler = holding(final)
    samples = answers(sampler, spec.final, spec.temperature)
    scores, curve = summarise(samples), []
    if spec.greedy:
        once = SamplingBudget(problems=spec.final.problems, samples=1)
        scores["greedy"] = summarise(answers(sampler, once, 0.0))["score"]
    if spec.curve:
        for checkpoint in manifest["checkpoints"]:
            sampler = holding(verified_folder(model, checkpoint["folder"]))
            found = summarise(answers(sampler, spec.curve, spec.temperature))
            curve.append({"rollouts": checkpoint["rollouts"], **found})
        first = [row for row in samples if row["problem"] < spec.curve.problems and row["sample"] < spec.curve.samples]
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
        "template_sha256": hashlib.sha256((text.template or "").encode()).hexdigest(),
        "final": scores,
        "curve": curve,
    }


def samples_of(scores: Path) -> Path:
    """File of the samples that some scores count: samples.parquet/ is one data set, a file a benchmark."""
    return scores.parent / "samples.parquet" / f"{scores.stem}.parquet"
