"""policy: supervised training, from scratch (the warm start) or from another policy (the control)."""

from pathlib import Path

from tokenizers import Tokenizer

from smoothgates.examples import SCHEMA, read_examples
from smoothgates.files import digest, read_json, write_json
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.folder import MODEL_SCHEMA, load_manifest_policy, parameter_count, save_policy
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.specs import PolicySpec
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Example, Generator
from smoothgates.train.supervised import train_supervised

TOKENIZER_EXAMPLES = 3000


def run(spec_text: str, data: Path, out: Path, start: Path | None = None) -> None:
    """Train and write the weights folder, and the manifest `out` that names it."""
    spec = parse_spec(PolicySpec, spec_text)
    execution = Execution("policy", spec, (f"tasks.{spec.task}",), [data, start])
    examples = read_examples(data)
    source = read_json(data, SCHEMA)["spec"]["train"][0]["source"]
    generator = load_task(spec.task).generators.get(source)
    if start is None:
        tokenizer = tokenizer_of(spec, generator, examples[:TOKENIZER_EXAMPLES])
        policy = Decoder(spec.architecture).initialise(torch_stream(spec.seed, "initialise"))
    else:
        policy, text = load_manifest_policy(start)
        tokenizer = text.tokenizer
    rng = python_stream(spec.seed, f"demonstrations of {spec.method_name}")
    losses = [
        train_supervised(policy, tokenizer, generator, examples, phase, spec.supervised.batch_size, rng)
        for phase in (spec.supervised.phases if spec.supervised else ())
    ]
    records = save_policy(out.parent / "weights", policy, tokenizer)
    write_json(
        out,
        {
            "schema": MODEL_SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "data_sha256": digest(data),
            "start_sha256": start and digest(start),
            "parameters": parameter_count(policy),
            "losses": losses,
            "status": "finished",
            "final": "weights",
            "rollouts": 0,
            "checkpoints": [],
            "folders": {"weights": records},
        },
    )
    weights = {out.parent / "weights" / record["name"]: record["sha256"] for record in records}
    execution.write(out.parent / "run.json", [out, *weights], weights)


def tokenizer_of(spec: PolicySpec, generator: Generator | None, examples: list[Example]) -> Tokenizer:
    """A tokenizer for the examples' questions, and for demonstrations where there are some."""
    texts = [example.question for example in examples]
    if generator and generator.careful:
        texts += [*generator.replies, *(text for example in examples for text, _ in generator.careful(example))]
    return build_tokenizer(texts, spec.architecture.vocab_size, spec.tokenizer)
