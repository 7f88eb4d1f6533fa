"""A study that extends another one: its file has only what differs."""

from pathlib import Path
from typing import Any

from smoothgates.errors import BadInput
from smoothgates.io.documents import read_yaml

EXTENDS = "extends"
"""The key that names the other study's file, relative to the file that has the key."""


def read_extended(file: Path) -> tuple[dict[str, Any], Path | None]:
    """The content of a study's file laid over that of the file it extends, and the latter's path. Raises BadInput.

    Mappings are merged key by key; any other value replaces the other study's.
    """
    content = read_yaml(file)
    if EXTENDS not in content:
        return content, None
    name = content.pop(EXTENDS)
    if not isinstance(name, str) or Path(name).suffix not in (".yaml", ".yml"):
        raise BadInput(f"{file}: {EXTENDS}: expected the path of a study's YAML file, got {name!r}")
    base = file.parent / name
    below = read_yaml(base)
    if EXTENDS in below:
        raise BadInput(f"{file}: {EXTENDS}: expected a study that extends no other, and {base} does")
    return laid_over(below, content), base


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` on top of `below`.

    >>> laid_over({"a": {"b": 1, "c": [1, 2]}, "d": 3}, {"a": {"c": [4]}, "d": None})
    {'a': {'b': 1, 'c': [4]}, 'd': None}
    """
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = laid_over(below[key], above[key])
    return merged
