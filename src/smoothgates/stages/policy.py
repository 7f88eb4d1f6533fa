"""policy: the policy that RL starts from, published or trained on demonstrations, and the supervised control."""

from pathlib import Path

import torch

from smoothgates.data.examples import read_examples
from smoothgates.io.files import digest, write_json
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.records import parse_spec
from smoothgates.policy.allocator import keep_freed_memory
from smoothgates.policy.load import load_policy
from smoothgates.policy.manifest import verified_folder
from smoothgates.policy.save import save_policy
from smoothgates.policy.start import random_policy, stand_in_policy
from smoothgates.policy.text import STAND_IN_TEMPLATE
from smoothgates.policy.weights import count_parameters
from smoothgates.provenance.run_record import Execution
from smoothgates.seeds import python_stream
from smoothgates.specs.policy import PolicySpec
from smoothgates.tasks import load_task
from smoothgates.train.supervised import Demonstrations, train_supervised


def run(
    spec_text: str,
    data: Path,
    out: Path,
    start: Path | None = None,
    mirror: Path | None = None,
    env: str | None = None,
) -> None:
    """Write the weights folder, and the manifest `out` that names it.

    `start`: manifest of the policy to continue from. `mirror`: folder of published models, used instead of the hub.
    """
    torch.set_num_threads(1)  # sums over threads differ in their last bits
    keep_freed_memory()
    spec = parse_spec(PolicySpec, spec_text)
    execution = Execution("policy", spec, (f"tasks.{spec.task}",), [data, start], env=env)
    folder, losses = out.parent / "weights", []
    if spec.model is None:
        records, losses = supervised(spec, data, folder, start)
    elif spec.model.stand_in:
        records = save_policy(folder, *stand_in_policy(spec, read_examples(data)), STAND_IN_TEMPLATE)
    else:
        from smoothgates.policy.published import copy_model, find_model

        records = copy_model(find_model(spec.model, mirror), folder)
    manifest = {
        "schema": ModelManifest.SCHEMA,
        "schema_version": 1,
        "spec": spec.model_dump(mode="json"),
        "data_sha256": digest(data),
        "start_sha256": start and digest(start),
        "parameters": count_parameters(folder),
        "losses": losses,
        "status": "finished",
        "final": "weights",
        "rollouts": 0,
        "checkpoints": [],
        "folders": {"weights": records},
    }
    write_json(out, manifest)
    weights = {folder / record["name"]: record["sha256"] for record in records}
    execution.write(out.parent / "run.json", [out, *weights], weights)


def supervised(spec: PolicySpec, data: Path, folder: Path, start: Path | None) -> tuple[list[dict], list[float]]:
    """Train on demonstrations. Returns the records of the folder's files, and the loss at the end of each phase."""
    examples = read_examples(data)
    source = read_manifest(data, DataManifest)["spec"]["train"][0]["source"]
    generator = load_task(spec.task).generators.get(source)
    if start is None:
        policy, tokenizer = random_policy(spec, generator, examples)
    else:
        policy, text = load_policy(verified_folder(start))
        tokenizer = text.tokenizer
    rng = python_stream(spec.seed, f"demonstrations of {spec.method_name}")
    demonstrations = Demonstrations(tokenizer, generator, examples)
    losses = [
        train_supervised(policy, demonstrations, phase, spec.supervised.batch_size, rng)
        for phase in (spec.supervised.phases if spec.supervised else ())
    ]
    return save_policy(folder, policy, tokenizer), losses
