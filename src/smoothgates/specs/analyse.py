"""Spec of `analyse`: the runs to compare, and how."""

import hashlib
import json
from typing import Annotated

from pydantic import Field

from smoothgates.io.bounds import Seed
from smoothgates.io.records import Record
from smoothgates.specs.claims import Claims
from smoothgates.specs.questions import Questions


class Arms(Record):
    """The arms of one task. Each arm has one run for every seed."""

    arms: tuple[tuple[str, str], ...]
    """(regime, method), controls included."""
    starts: dict[str, str]
    """The control that the runs of each regime start from."""
    benchmarks: tuple[str, ...]
    trained: dict[str, str]
    """Digest of the spec of each arm's runs, without the seed; by `regime/method`."""
    evaluated: dict[str, str]
    """Digest of the spec of each evaluation, with the seed; by benchmark."""
    scale: dict[str, str]
    """The policy's size in words, by regime."""


def seedless_fingerprint(spec: dict) -> str:
    """Digest of a spec without its seed: the same for the runs of all seeds."""
    return spec_fingerprint({key: value for key, value in spec.items() if key != "seed"})


def spec_fingerprint(spec: dict) -> str:
    """First 16 hex digits of the sha256 of a spec as manifests store it."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


class AnalyseSpec(Record):
    """The runs of a study, and how they are compared."""

    study: str
    reference: str
    """Method that the others are compared with, paired by seed."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Level of the confidence intervals."""
    seeds: tuple[Seed, ...]
    tasks: dict[str, Arms]
    """By task."""
    claims: Claims
    """What the papers claim."""
    questions: Questions
    """What is asked beyond that."""
    rehearses: str | None = None
    """The study that this one rehearses, if it does. A rehearsal tests no claim on its runs."""
