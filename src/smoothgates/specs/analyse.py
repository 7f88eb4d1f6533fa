"""What `analyse` is told: what is compared with what."""

import hashlib
import json
from typing import Annotated

from pydantic import Field

from smoothgates.io.bounds import Seed
from smoothgates.io.records import Record


class Arms(Record):
    """What one task ran, every arm with every seed."""

    arms: tuple[tuple[str, str], ...]
    """(regime, method), controls included."""
    benchmarks: tuple[str, ...]
    trained: dict[str, str]
    """What each arm's runs are told, by `regime/method`: digest of their specs, seeds apart."""
    evaluated: dict[str, str]
    """The same by benchmark, whose seed is a part of it."""


def seedless(spec: dict) -> str:
    """Digest of what the runs of all seeds are told alike."""
    return told({key: value for key, value in spec.items() if key != "seed"})


def told(spec: dict) -> str:
    """Digest of a spec, as manifests hold it."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


class AnalyseSpec(Record):
    """What is compared with what."""

    study: str
    reference: str
    """Method that the others are compared with, paired by seed."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seeds: tuple[Seed, ...]
    tasks: dict[str, Arms]
