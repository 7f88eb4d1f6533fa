"""Examples on disk: `prepare` writes them, all later stages read them."""

import json
from pathlib import Path

from smoothgates.io.files import check_file, read_parquet, write_parquet
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.tasks.task import Example


def write_examples(path: Path, examples: list[Example]) -> None:
    """Write a parquet file with columns id, question, answers, extra (JSON)."""
    write_parquet(
        path,
        [
            {"id": e.id, "question": e.question, "answers": list(e.answers), "extra": json.dumps(e.extra)}
            for e in examples
        ],
    )


def read_examples(manifest: Path, benchmark: str | None = None) -> list[Example]:
    """Return the examples of a benchmark, or without one the training examples.

    Raises BadInput if their file does not match the manifest.
    """
    data = read_manifest(manifest, DataManifest)
    record = data["train"] if benchmark is None else data["benchmarks"][benchmark]
    return [
        Example(row["id"], row["question"], tuple(row["answers"]), json.loads(row["extra"]))
        for row in read_parquet(check_file(record, manifest.parent))
    ]
