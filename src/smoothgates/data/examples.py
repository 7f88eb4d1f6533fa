"""Examples on disk: what `prepare` leaves, and every later stage reads."""

import json
from pathlib import Path

from smoothgates.io.files import check_file, read_parquet, write_parquet
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.tasks.task import Example

"""Of the manifest that names the files."""


def write_examples(path: Path, chosen: list[Example]) -> None:
    write_parquet(
        path,
        [
            {"id": e.id, "question": e.question, "answers": list(e.answers), "extra": json.dumps(e.extra)}
            for e in chosen
        ],
    )


def read_examples(manifest: Path, benchmark: str | None = None) -> list[Example]:
    """Examples of a benchmark, or those to train on; their file verified against the manifest."""
    data = read_manifest(manifest, DataManifest)
    record = data["train"] if benchmark is None else data["benchmarks"][benchmark]
    return [
        Example(row["id"], row["question"], tuple(row["answers"]), json.loads(row["extra"]))
        for row in read_parquet(check_file(record, manifest.parent))
    ]
