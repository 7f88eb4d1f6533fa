"""Frozen, strict records, the base of all configs and specs. An error in one is reported in one line."""

import json
import os
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from smoothgates.errors import BadInput
from smoothgates.io.documents import parse_json, read_text

NAME = r"^[a-z0-9_]+$"
"""Pattern of all names that become part of a path: regimes, methods, benchmarks, indexes."""


class Record(BaseModel):
    """An immutable record. Unknown keys, infinite numbers and values of another type, such as '1e-6', are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def canonical(self) -> str:
        """JSON with sorted keys and no spaces, so that equal records give equal text. Stages take it as `--spec`."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


R = TypeVar("R", bound=Record)

_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
"""A NUL in the text of a JSON string."""


def parse(kind: type[R], data: Any, where: str) -> R:
    """Check `data` against a record. Raises BadInput, which says `where`, the key and what was expected."""
    # Strict records take no list for a tuple, except from JSON.
    text = json.dumps(data)
    if _NUL.search(text):
        raise BadInput(f"{where}: a string contains a NUL")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(f"{where}: {_describe(error)}") from None


def parse_spec(kind: type[R], text: str) -> R:
    """Read the `--spec` of a stage: canonical JSON, or `@FILE` that contains it. Raises BadInput."""
    if text.startswith("@"):
        where = text[1:]
        return parse(kind, parse_json(read_text(Path(where)), where), where)
    try:
        text = os.fsencode(text).decode("utf-8")  # undoes what the locale made of the bytes on the command line
    except UnicodeError:
        raise BadInput("--spec: not UTF-8") from None
    return parse(kind, parse_json(text, "--spec"), "--spec")


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
    elif first["type"] == "string_type" and isinstance(first["input"], bool):
        message = "expected a string, got true or false (YAML reads yes, no, on and off as these: put them in quotes)"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{key}: {message}{more}" if key else f"{message}{more}"
