"""JSON schemas of the config files, for editors. They are derived from the config records."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from smoothgates.io.files import write_json
from smoothgates.methods.method import Method
from smoothgates.study.schema import Study


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of config file, by its file name."""
    return {
        "study.schema.json": Study.model_json_schema(),
        "methods.schema.json": TypeAdapter(dict[str, Method]).json_schema(),
    }


def write_schemas(folder: Path) -> None:
    """Write each schema into a folder."""
    for name, schema in schemas().items():
        write_json(folder / name, schema)
