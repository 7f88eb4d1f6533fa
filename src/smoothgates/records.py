"""Frozen, strict records: the base of every config and spec, and how their faults become one line."""

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from smoothgates.errors import BadInput

NAME = r"^[a-z0-9_]+$"
"""Of whatever becomes part of a path: regimes, methods, benchmarks, indexes."""


class Record(BaseModel):
    """Immutable; unknown keys, silent conversions (the text '1e-6' for a number) and infinite numbers are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def canonical(self) -> str:
        """One string for one meaning: sorted keys, no spaces. What Snakemake compares and stages are given."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


R = TypeVar("R", bound=Record)


def parse(kind: type[R], data: Any, where: str) -> R:
    """`data` as a record of this kind; BadInput names `where`, the key and what was expected."""
    try:
        # Through JSON: strict about numbers, yet arrays may become tuples.
        return kind.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise BadInput(f"{where}: {_describe(error)}") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{where}: holds itself, by an alias") from None


def parse_spec(kind: type[R], text: str) -> R:
    """A stage's `--spec`: canonical JSON, or `@file` to read it from a file."""
    where = "--spec"
    if text.startswith("@"):
        where = text[1:]
        text = read_text(Path(where))
    try:
        return parse(kind, json.loads(text), where)
    except json.JSONDecodeError as error:
        raise BadInput(f"{where}: not JSON ({error})") from None


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error})") from None


def read_yaml(path: Path) -> dict:
    """A YAML mapping of texts to values. Duplicate keys are an error, because YAML would silently keep the last."""
    try:
        data = yaml.load(read_text(path), Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: {' '.join(str(error).split())}") from None
    except (ValueError, RecursionError) as error:  # a date with a month 13; a thousand brackets
        raise BadInput(f"{path}: cannot be read as YAML ({error})") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: expected a mapping of keys to values")
    return data


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):  # YAML reads `on` and `1` as something else
                raise yaml.MarkedYAMLError(problem=f"key {key}: expected a text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key '{key}' stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _describe(error: ValidationError) -> str:
    faults = error.errors()
    first = faults[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown key"
    elif first["type"] in ("float_type", "int_type") and isinstance(first["input"], str):
        hint = " (YAML reads 1e-6 as text: write 1.0e-6)" if "e" in first["input"].lower() else ""
        message = f"expected a number, got the text '{first['input']}'{hint}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{key}: {message}{more}" if key else f"{message}{more}"
