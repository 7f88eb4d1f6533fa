"""policy: where RL starts, a published model or a policy trained on demonstrations; and the control of the latter."""

from pathlib import Path

from tokenizers import Tokenizer

from smoothgates.data.examples import read_examples
from smoothgates.io.files import digest, write_json
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.records import parse_spec
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.folder import load_manifest_policy, save_policy
from smoothgates.policy.tokenizer import STAND_IN_TEMPLATE, build_tokenizer
from smoothgates.policy.weights import count_parameters
from smoothgates.provenance.run_record import Execution
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.specs.policy import PolicySpec
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Example, Generator
from smoothgates.train.supervised import Demonstrations, train_supervised

TOKENIZER_EXAMPLES = 3000


def run(spec_text: str, data: Path, out: Path, start: Path | None = None, mirror: Path | None = None) -> None:
    """Write the weights folder, and the manifest `out` that names it. `mirror`: models to take instead of the hub's."""
    spec = parse_spec(PolicySpec, spec_text)
    execution = Execution("policy", spec, (f"tasks.{spec.task}",), [data, start])
    folder = out.parent / "weights"
    if spec.model is None:
        made = supervised(spec, data, folder, start)
    elif spec.model.stand_in:
        made = stand_in(spec, data, folder)
    else:
        made = published(spec, folder, mirror)
    records, losses = made
    write_json(
        out,
        {
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
        },
    )
    weights = {folder / record["name"]: record["sha256"] for record in records}
    execution.write(out.parent / "run.json", [out, *weights], weights)


Made = tuple[list[dict], list[float]]
"""Records of the folder's files, and the loss at the end of each supervised phase."""


def supervised(spec: PolicySpec, data: Path, folder: Path, start: Path | None) -> Made:
    """A compact policy trained on demonstrations, from scratch or from the policy `start`."""
    examples = read_examples(data)
    source = read_manifest(data, DataManifest)["spec"]["train"][0]["source"]
    generator = load_task(spec.task).generators.get(source)
    if start is None:
        tokenizer = tokenizer_of(spec, generator, examples[:TOKENIZER_EXAMPLES])
        policy = Decoder(spec.architecture).initialise(torch_stream(spec.seed, "initialise"))
    else:
        policy, text = load_manifest_policy(start)
        tokenizer = text.tokenizer
    rng = python_stream(spec.seed, f"demonstrations of {spec.method_name}")
    demonstrations = Demonstrations(tokenizer, generator, examples)
    losses = [
        train_supervised(policy, demonstrations, phase, spec.supervised.batch_size, rng)
        for phase in (spec.supervised.phases if spec.supervised else ())
    ]
    return save_policy(folder, policy, tokenizer), losses


def stand_in(spec: PolicySpec, data: Path, folder: Path) -> Made:
    """A small policy with random weights that later stages cannot tell from a published one."""
    arch = spec.model.stand_in
    tokenizer = build_tokenizer(questions(read_examples(data)[:TOKENIZER_EXAMPLES]), arch.vocab_size, "bytes")
    policy = Decoder(arch).initialise(torch_stream(spec.seed, "initialise"))
    return save_policy(folder, policy, tokenizer, STAND_IN_TEMPLATE), []


def published(spec: PolicySpec, folder: Path, mirror: Path | None) -> Made:
    """A published model as it is."""
    from smoothgates.policy.published import find_model, take

    return take(find_model(spec.model, mirror), folder), []


def tokenizer_of(spec: PolicySpec, generator: Generator | None, examples: list[Example]) -> Tokenizer:
    """A tokenizer for the examples' questions, and for demonstrations where there are some."""
    texts = questions(examples)
    if generator and generator.careful:
        texts += [*generator.replies, *(text for example in examples for text, _ in generator.careful(example))]
    return build_tokenizer(texts, spec.architecture.vocab_size, spec.tokenizer)


def questions(examples: list[Example]) -> list[str]:
    return [example.question for example in examples]
