"""From rows of public data sets to examples. `mirror.py` and `hub.py` bring rows, `*/catalogue.py` list the sets."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from smoothgates.errors import BadInput
from smoothgates.tasks.task import Example, Row, Source

Located = tuple[str, Row]
"""Where a row stands, in words, and the row."""


def convert(name: str, source: Source, rows: Iterable[Located]) -> tuple[list[Example], dict]:
    """Examples of rows, and what the rows are: how many, how many of them dropped, their digest.

    One pass, and no row is kept: DeepMath-103K with its solutions is 2 GB.
    """
    examples: dict[str, Example] = {}
    hashed = hashlib.sha256()
    count = 0
    for where, row in rows:
        hashed.update(canonical(row))
        try:
            example = source.read(row)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise BadInput(f"{where}: no row of {name} ({type(error).__name__}: {one_line(error)})") from None
        if example:
            example = example if example.id else replace(example, id=f"{Path(name).name}-{count}")
            if example.id in examples:
                raise BadInput(f"{where}: duplicate id '{example.id}'")
            examples[example.id] = example
        count += 1
    if not examples:
        raise BadInput(f"{name}: holds no usable row")
    facts = {"rows": count, "dropped": count - len(examples), "rows_sha256": hashed.hexdigest()}
    return list(examples.values()), facts


def canonical(row: Row) -> bytes:
    """A row as a line of bytes, the same whichever format it was read from.

    Formats with a schema fill in nulls, so these count as absent.

    >>> canonical({"b": [1, {"c": None}], "a": "é", "d": None})
    b'{"a":"\\\\u00e9","b":[1,{}]}\\n'
    """
    return json.dumps(_without_nulls(row), sort_keys=True, separators=(",", ":"), default=str).encode() + b"\n"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def mixture(parts: list[list[Example]], rng: Random) -> list[Example]:
    """An equal mixture, shuffled: as many of each part as the smallest has, drawn without replacement.

    2602.19345 trains on GSM8K and DeepMath-103K in equal mixture and says no more. DeepMath is 14 times the larger;
    drawing it down, rather than repeating GSM8K, lets each problem stand once.
    """
    smallest = min(len(part) for part in parts)
    mixed = [example for part in parts for example in rng.sample(part, smallest)]
    rng.shuffle(mixed)
    return mixed


def one_line(error: Exception) -> str:
    """What went wrong, on one short line."""
    return " ".join(str(error).split())[:200]
