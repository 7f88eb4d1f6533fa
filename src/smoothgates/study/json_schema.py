"""JSON schemas of the config files, exported from the typed records, for editors and reviewers."""

from pathlib import Path

from pydantic import TypeAdapter

from smoothgates.io.files import write_json
from smoothgates.methods.method import Method
from smoothgates.study.schema import Study


def schemas() -> dict[str, dict]:
    """Schema of each kind of file in config/."""
    return {
        "study.schema.json": Study.model_json_schema(),
        "methods.schema.json": TypeAdapter(dict[str, Method]).json_schema(),
    }


def write_schemas(folder: Path) -> None:
    for name, schema in schemas().items():
        write_json(folder / name, schema)
