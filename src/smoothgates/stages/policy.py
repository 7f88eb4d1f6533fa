"""policy: supervised training, from scratch (the warm start) or from another policy (the control)."""

from pathlib import Path

from smoothgates.files import digest, write_json
from smoothgates.policy.folder import MODEL_SCHEMA, load_manifest_policy, parameter_count, save_policy
from smoothgates.policy.qwen2 import Qwen2
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.specs import PolicySpec
from smoothgates.stages.prepare import read_problems
from smoothgates.tasks import TASKS
from smoothgates.train.supervised import train_supervised

TOKENIZER_PROBLEMS = 3000


def run(spec_text: str, data: Path, out: Path, start: Path | None = None) -> None:
    """Train and write the weights folder, and the manifest `out` that names it."""
    spec = parse_spec(PolicySpec, spec_text)
    execution = Execution("policy", spec.canonical())
    problems = read_problems(data, "train")
    if start is None:
        texts = [text for p in problems[:TOKENIZER_PROBLEMS] for text in (p.question, p.careful)]
        tokenizer = build_tokenizer(texts, spec.architecture.vocab_size)
        policy = Qwen2(spec.architecture).initialise(torch_stream(spec.seed, "initialise"))
    else:
        policy, tokenizer = load_manifest_policy(start)
    rng = python_stream(spec.seed, f"demonstrations of {spec.method_name}")
    losses = [
        train_supervised(policy, tokenizer, TASKS[spec.task], problems, phase, spec.supervised.batch_size, rng)
        for phase in spec.supervised.phases
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
    execution.write(out.parent)
