"""prepare: a task's training examples and benchmarks, and how much the two overlap."""

from pathlib import Path

from smoothgates.data.contamination import overlap
from smoothgates.data.examples import write_examples
from smoothgates.data.prepare import load_task_data
from smoothgates.data.public import public_files
from smoothgates.io.files import file_entry, write_json
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.prepare import PrepareSpec


def run(
    spec_text: str, out: Path, mirror: Path | None = None, lock: Path | None = None, env: str | None = None
) -> None:
    """Write train.parquet, a parquet file for each benchmark, and the manifest `out` that names them.

    Public data come from the folder `mirror` or, without it, from the hub; `lock` then pins the sets that the project's
    own lock does not.
    """
    spec = parse_spec(PrepareSpec, spec_text)
    sources = [part.source for part in (*spec.train, *spec.benchmarks.values())]
    execution = Execution("prepare", spec, (f"tasks.{spec.task}",), public_files(spec.task, sources, mirror), env=env)
    data = load_task_data(spec, mirror, lock)
    files = {name: out.parent / f"{name}.parquet" for name in ("train", *data.benchmarks)}
    for name, examples in {"train": data.train, **data.benchmarks}.items():
        write_examples(files[name], examples)
    asked = [example.question for example in data.train]
    write_json(
        out,
        {
            "schema": DataManifest.SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "sources": data.sources,
            "train": file_entry(files["train"], out.parent),
            "benchmarks": {name: file_entry(files[name], out.parent) for name in data.benchmarks},
            "overlap": {name: overlap(asked, [e.question for e in held]) for name, held in data.benchmarks.items()},
        },
    )
    execution.write(out.parent / "run.json", [out, *files.values()])
