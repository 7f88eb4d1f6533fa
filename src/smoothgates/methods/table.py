"""The table of methods: config/methods.yaml, or a user's own file."""

import re
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.documents import read_yaml
from smoothgates.io.records import NAME, parse
from smoothgates.methods.method import Method


def load_methods(path: str | Path) -> dict[str, Method]:
    """Return the rows of a methods file by name. Raises BadInput naming the file and the key."""
    rows = read_yaml(Path(path))
    if odd := [name for name in rows if not re.fullmatch(NAME, name)]:
        raise BadInput(f"{path}: '{odd[0]}': expected a name made of a to z, 0 to 9 and _")
    return {name: parse(Method, row, f"{path}: {name}") for name, row in rows.items()}
