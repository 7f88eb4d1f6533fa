"""Convert rows of public data sets to examples.

`mirror.py` and `pinned.py` read the rows; `tasks/*/catalogue.py` list the sets.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from smoothgates.errors import BadInput
from smoothgates.tasks.task import Example, Row, Source

Located = tuple[str, Row]
"""The location of a row, for messages, and the row."""


def convert(name: str, source: Source, rows: Iterable[Located]) -> tuple[list[Example], dict]:
    """Return the examples of a source's rows, and facts: number of rows, number of dropped rows, digest of all rows.

    Raises BadInput for a row that `source` cannot read, a repeated id, or no usable row. It reads the rows once and
    keeps none in memory: DeepMath-103K with its solutions is 2 GB.
    """
    examples: dict[str, Example] = {}
    hashed = hashlib.sha256()
    count = 0
    for where, row in rows:
        hashed.update(canonical(row))
        try:
            example = source.read(row)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise BadInput(f"{where}: not a row of {name} ({type(error).__name__}: {one_line(error)})") from None
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
    """Return a row as a line of bytes, the same for each file format.

    Formats with a schema fill in nulls, so nulls count as absent.

    >>> canonical({"b": [1, {"c": None}], "a": "é", "d": None})
    b'{"a":"\\\\u00e9","b":[1,{}]}\\n'
    """
    return json.dumps(_without_nulls(row), sort_keys=True, separators=(",", ":"), default=str).encode() + b"\n"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def one_line(error: Exception) -> str:
    """Return an error's message on one short line."""
    return " ".join(str(error).split())[:200]
