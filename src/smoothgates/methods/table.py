"""The table of methods: config/methods.yaml, or a file of your own."""

import re
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.documents import read_yaml
from smoothgates.io.records import NAME, parse
from smoothgates.methods.method import Method


def load_methods(path: str | Path) -> dict[str, Method]:
    """Every row of a methods file, by name. Raises BadInput naming the file and the key."""
    rows = read_yaml(Path(path))
    if odd := [name for name in rows if not re.fullmatch(NAME, name)]:
        raise BadInput(f"{path}: '{odd[0]}': expected a name of the letters a to z, digits and _")
    return {name: parse(Method, row, f"{path}: {name}") for name, row in rows.items()}
