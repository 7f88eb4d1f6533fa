"""The data of one task, as its spec asks: training examples, benchmarks and the origin of each source."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from smoothgates.data.generate import generated
from smoothgates.data.mirror import load_mirrored
from smoothgates.data.pinned import load_pinned
from smoothgates.errors import BadInput
from smoothgates.seeds import python_stream
from smoothgates.specs.prepare import Part, PrepareSpec
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Example


@dataclass(frozen=True)
class TaskData:
    """Examples of one task."""

    train: list[Example]
    benchmarks: dict[str, list[Example]]
    sources: dict[str, dict]
    """For each source, where its rows come from, their number and their digest."""


def load_task_data(spec: PrepareSpec, mirror: Path | None, lock: Path | None) -> TaskData:
    """Generate or load all examples of a spec. Raises BadInput if a source has fewer than the spec asks for.

    Args:
        mirror: folder that holds the public data sets; None loads them from the hub.
        lock: file that pins the sets of the hub that the project's own lock does not.
    """
    train = [_load_part(spec, part, False, mirror, lock) for part in spec.train]
    benchmarks = {name: _load_part(spec, part, True, mirror, lock) for name, part in spec.benchmarks.items()}
    parts = [*spec.train, *spec.benchmarks.values()]
    return TaskData(
        train=_mix([examples for examples, _ in train], spec.seed),
        benchmarks={name: examples for name, (examples, _) in benchmarks.items()},
        sources={part.source: facts for part, (_, facts) in zip(parts, [*train, *benchmarks.values()], strict=True)},
    )


def _load_part(
    spec: PrepareSpec, part: Part, heldout: bool, mirror: Path | None, lock: Path | None
) -> tuple[list[Example], dict]:
    """Return a part's examples, and facts on their origin. `heldout` selects a side of a generator's split."""
    task = load_task(spec.task)
    asked = f"{spec.task}.data: {part.source}: rows: {part.rows} asked for"
    if part.source in task.generators:
        made = generated(task.generators[part.source], part.rows, heldout, spec.seed)
        if len(made) < part.rows:
            side = "held out" if heldout else "for training"
            raise BadInput(f"{asked}, but only {len(made)} distinct ones are {side}")
        return made, {"from": "generated"}
    name, source = f"{spec.task}/{part.source}", task.sources[part.source]
    found, facts = load_mirrored(name, source, mirror) if mirror else load_pinned(name, source, own=lock)
    if part.rows and len(found) < part.rows:
        raise BadInput(f"{asked}, but the data set has {len(found)}")
    return found[: part.rows], facts


def _mix(parts: list[list[Example]], seed: int) -> list[Example]:
    return parts[0] if len(parts) == 1 else mixture(parts, python_stream(seed, "mixture"))


def mixture(parts: list[list[Example]], rng: Random) -> list[Example]:
    """Return an equal mixture, shuffled: from each part as many examples as the smallest has, without replacement.

    2602.19345 trains on GSM8K and DeepMath-103K in equal mixture and says no more. DeepMath is 14 times the larger;
    drawing from it, rather than repeating GSM8K, keeps each problem unique.
    """
    smallest = min(len(part) for part in parts)
    mixed = [example for part in parts for example in rng.sample(part, smallest)]
    rng.shuffle(mixed)
    return mixed
