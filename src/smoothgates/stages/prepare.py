"""prepare: a task's training examples and benchmarks, and how far the two overlap."""

import hashlib
from pathlib import Path

from smoothgates.data.contamination import overlap
from smoothgates.data.examples import SCHEMA, write_examples
from smoothgates.data.mirror import load_mirrored
from smoothgates.data.pinned import load_pinned
from smoothgates.data.public import public_files
from smoothgates.data.sources import mixture
from smoothgates.errors import BadInput
from smoothgates.io.files import file_entry, write_json
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.seeds import python_stream
from smoothgates.specs.prepare import Part, PrepareSpec
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Example, Generator

HELDOUT_SHARE = 8
"""One pattern in this many is held out."""
IDLE = 500
"""Draws in a row without a new example, after which the generator is asked for all that it has."""
PATIENCE = 20_000
"""The same for a generator that cannot list its examples: it is then taken to have no more."""


def run(spec_text: str, out: Path, mirror: Path | None = None, lock: Path | None = None) -> None:
    """Write train.parquet and a parquet of each benchmark, and the manifest `out` that names them.

    Public data come from the folder `mirror`, or from the hub: then `lock` pins what the project's own lock does not.
    """
    spec = parse_spec(PrepareSpec, spec_text)
    sources = [part.source for part in (*spec.train, *spec.benchmarks.values())]
    execution = Execution("prepare", spec, (f"tasks.{spec.task}",), public_files(spec.task, sources, mirror))
    parts = [examples(spec, part, False, mirror, lock) for part in spec.train]
    tests = {name: examples(spec, part, True, mirror, lock) for name, part in spec.benchmarks.items()}
    train = mixed([found for found, _ in parts], spec)
    benchmarks = {name: found for name, (found, _) in tests.items()}
    facts = dict(zip(sources, [facts for _, facts in (*parts, *tests.values())], strict=True))
    folder = out.parent
    write_examples(folder / "train.parquet", train)
    for name, chosen in benchmarks.items():
        write_examples(folder / f"{name}.parquet", chosen)
    asked = [example.question for example in train]
    write_json(
        out,
        {
            "schema": SCHEMA,
            "schema_version": 1,
            "spec": spec.model_dump(mode="json"),
            "sources": facts,
            "train": file_entry(folder / "train.parquet", folder),
            "benchmarks": {name: file_entry(folder / f"{name}.parquet", folder) for name in benchmarks},
            "overlap": {name: overlap(asked, [e.question for e in chosen]) for name, chosen in benchmarks.items()},
        },
    )
    execution.write(folder / "run.json", [out, *(folder / f"{name}.parquet" for name in ("train", *benchmarks))])


def examples(
    spec: PrepareSpec, part: Part, heldout: bool, mirror: Path | None, lock: Path | None
) -> tuple[list[Example], dict]:
    """Examples of a part, on its side of the split where they are generated; and facts on where they come from."""
    task = load_task(spec.task)
    if part.source in task.generators:
        made = generated(task.generators[part.source], part.rows, heldout, spec.seed)
        if len(made) < part.rows:
            side = "held out" if heldout else "for training"
            asked = f"{spec.task}.data: {part.source}: rows: {part.rows} asked for"
            raise BadInput(f"{asked}, but only {len(made)} distinct ones are {side}")
        return made, {"from": "generated"}
    name, source = f"{spec.task}/{part.source}", task.sources[part.source]
    found, facts = load_mirrored(name, source, mirror) if mirror else load_pinned(name, source, own=lock)
    if part.rows and len(found) < part.rows:
        raise BadInput(
            f"{spec.task}.data: {part.source}: rows: {part.rows} asked for, but the data set has {len(found)}"
        )
    return found[: part.rows], facts


def generated(generator: Generator, rows: int, heldout: bool, seed: int) -> list[Example]:
    """Distinct examples of one side; all of them if there are fewer than `rows`."""
    stream = generator.generate(python_stream(seed, "problems"))
    chosen: dict[str, Example] = {}
    idle, every = 0, generator.every
    while len(chosen) < rows:
        example, before = next(stream), len(chosen)
        if on_side(generator, example, heldout):
            chosen[example.id] = example
        idle = idle + 1 if len(chosen) == before else 0
        if idle == PATIENCE and not generator.every:
            break
        if idle == IDLE and every:
            own = [example for example in every() if on_side(generator, example, heldout)]
            if len(own) < rows:
                return own
            every = None  # there are enough
    return list(chosen.values())


def on_side(generator: Generator, example: Example, heldout: bool) -> bool:
    """A pattern belongs to a side of the split by its text, whatever the seed."""
    hashed = hashlib.md5(generator.pattern(example).encode(), usedforsecurity=False).digest()
    return (int.from_bytes(hashed, "big") % HELDOUT_SHARE == 0) == heldout


def mixed(parts: list[list[Example]], spec: PrepareSpec) -> list[Example]:
    return parts[0] if len(parts) == 1 else mixture(parts, python_stream(spec.seed, "mixture"))
