"""JSON schemas of the config files, for editors. They are derived from the config records."""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from smoothgates.io.files import write_json
from smoothgates.methods.method import Method
from smoothgates.specs.claims import Claims
from smoothgates.specs.questions import Questions
from smoothgates.study.schema import Study


class _Described(GenerateJsonSchema):
    """The docstring of a field is its description.

    Records with pydantic's own `use_attribute_docstrings` take half as long again to import, in each job.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        for kind in reversed(schema["cls"].mro()):
            for name, text in _docstrings(kind).items():
                made["properties"][name]["description"] = text
        return made


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of config file, by its file name."""
    return {
        "study.schema.json": Study.model_json_schema(schema_generator=_Described),
        "methods.schema.json": TypeAdapter(dict[str, Method]).json_schema(schema_generator=_Described),
        "claims.schema.json": Claims.model_json_schema(schema_generator=_Described),
        "questions.schema.json": Questions.model_json_schema(schema_generator=_Described),
    }


def write_schemas(folder: Path) -> None:
    """Write each schema into a folder."""
    for name, schema in schemas().items():
        write_json(folder / name, schema)


def _docstrings(kind: type) -> dict[str, str]:
    """The strings below the fields of a class of this package, by field."""
    found = {}
    for field, after in pairwise(_bodies(kind.__module__).get(kind.__name__, ())):
        match field, after:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                found[name] = inspect.cleandoc(text)
    return found


@cache
def _bodies(module: str) -> dict[str, list[ast.stmt]]:
    """The statements of each class of a module, by its name."""
    if not module.startswith("smoothgates."):
        return {}
    tree = ast.parse(Path(sys.modules[module].__file__ or "").read_bytes())
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
