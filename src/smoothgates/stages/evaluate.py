"""evaluate: a benchmark over every kept checkpoint of some runs. One process serves all seeds of a method."""

from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.evaluate.benchmark import ask, summarise
from smoothgates.files import digest, read_json, write_json, write_parquet
from smoothgates.policy.folder import MODEL_SCHEMA, load_manifest_policy
from smoothgates.progress import track
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.specs import EvaluateSpec
from smoothgates.stages.prepare import read_problems
from smoothgates.tasks import TASKS

SCHEMA = "smoothgates.scores"


def run(spec_text: str, data: Path, models: list[Path], outs: list[Path]) -> None:
    """For each model.json, write its scores to the `out` in the same place, and samples.parquet beside it."""
    if len(models) != len(outs):
        raise BadInput(f"--out: expected one for each --model ({len(models)}), got {len(outs)}")
    spec = parse_spec(EvaluateSpec, spec_text)
    problems = read_problems(data, "heldout")
    if len(problems) < max(spec.final.problems, spec.curve.problems):
        raise BadInput(f"{data}: heldout: holds {len(problems)} problems, the benchmark asks for {spec.final.problems}")
    for model, out in track(list(zip(models, outs, strict=True)), "evaluate"):
        execution = Execution("evaluate", spec.canonical())
        evaluate_run(spec, data, problems, model, out)
        execution.write(out.parent)


def evaluate_run(spec: EvaluateSpec, data: Path, problems: list, model: Path, out: Path) -> None:
    manifest = read_json(model, MODEL_SCHEMA)
    task = TASKS[spec.task]

    def scores(folder: str, benchmark) -> tuple[dict, list[dict]]:
        policy, tokenizer = load_manifest_policy(model, folder)
        rows = ask(policy, tokenizer, task, problems[: benchmark.problems], benchmark.samples, spec)
        return summarise(rows), rows

    curve = [
        {"rollouts": checkpoint["rollouts"], **scores(checkpoint["folder"], spec.curve)[0]}
        for checkpoint in manifest["checkpoints"]
    ]
    final, samples = scores(manifest["final"], spec.final)
    first = [row for row in samples if row["problem"] < spec.curve.problems and row["sample"] < spec.curve.samples]
    curve.append({"rollouts": manifest["rollouts"], **summarise(first)})
    write_parquet(out.parent / "samples.parquet", samples)
    write_json(
        out,
        {
            "schema": SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "run": {key: manifest["spec"][key] for key in ("task", "regime_name", "method_name", "seed")},
            "status": manifest["status"],
            "model_sha256": digest(model),
            "data_sha256": digest(data),
            "final": final,
            "curve": curve,
        },
    )
