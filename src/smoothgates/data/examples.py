"""Examples on disk: `prepare` writes them, all later stages read them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from smoothgates.io.files import check_file, read_columns, write_parquet
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


@dataclass(frozen=True)
class Examples(Sequence[Example]):
    """Examples of a file, each made when it is asked for: a laptop run uses 256 of 30,000."""

    columns: dict[str, list]
    """The columns that `write_examples` writes."""

    def __len__(self) -> int:
        return len(self.columns["id"])

    @overload
    def __getitem__(self, which: int) -> Example: ...
    @overload
    def __getitem__(self, which: slice) -> list[Example]: ...
    def __getitem__(self, which: int | slice) -> Example | list[Example]:
        if isinstance(which, slice):
            return [self[row] for row in range(*which.indices(len(self)))]
        id, question, answers, extra = (self.columns[name][which] for name in ("id", "question", "answers", "extra"))
        return Example(id, question, tuple(answers), json.loads(extra))


def read_examples(manifest: Path, benchmark: str | None = None) -> Examples:
    """Return the examples of a benchmark, or without one the training examples.

    Raises BadInput if their file does not match the manifest.
    """
    data = read_manifest(manifest, DataManifest)
    record = data["train"] if benchmark is None else data["benchmarks"][benchmark]
    return Examples(read_columns(check_file(record, manifest.parent)))
