"""prepare: a task's problems, split into training and held-out by a hash of the question."""

import hashlib
from dataclasses import asdict
from pathlib import Path

from smoothgates.files import check_file, file_record, read_json, read_parquet, write_json, write_parquet
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.seeds import python_stream
from smoothgates.specs import PrepareSpec
from smoothgates.tasks import TASKS, Problem

SCHEMA = "smoothgates.data"
HELDOUT_SHARE = 8
"""One question in this many is held out."""


def run(spec_text: str, out: Path) -> None:
    """Write train.parquet and heldout.parquet, and the manifest `out` that names them."""
    spec = parse_spec(PrepareSpec, spec_text)
    execution = Execution("prepare", spec.canonical())
    train, heldout = split(spec)
    folder = out.parent
    write_parquet(folder / "train.parquet", [asdict(problem) for problem in train])
    write_parquet(folder / "heldout.parquet", [asdict(problem) for problem in heldout])
    write_json(
        out,
        {
            "schema": SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "train": file_record(folder / "train.parquet", folder),
            "heldout": file_record(folder / "heldout.parquet", folder),
        },
    )
    execution.write(folder)


def split(spec: PrepareSpec) -> tuple[list[Problem], list[Problem]]:
    """Distinct training and held-out problems. A question belongs to a side by its text, whatever the seed."""
    stream = TASKS[spec.task].generate(python_stream(spec.seed, "problems"))
    train: dict[str, Problem] = {}
    heldout: dict[str, Problem] = {}
    while len(train) < spec.train or len(heldout) < spec.heldout:
        problem = next(stream)
        hashed = int.from_bytes(hashlib.md5(problem.question.encode(), usedforsecurity=False).digest(), "big")
        side, limit = (heldout, spec.heldout) if hashed % HELDOUT_SHARE == 0 else (train, spec.train)
        if len(side) < limit:
            side[problem.question] = problem
    return list(train.values()), list(heldout.values())


def read_problems(manifest: Path, side: str) -> list[Problem]:
    """Problems of `train` or `heldout`, their file verified against the manifest."""
    record = read_json(manifest, SCHEMA)[side]
    return [Problem(**row) for row in read_parquet(check_file(record, manifest.parent))]
