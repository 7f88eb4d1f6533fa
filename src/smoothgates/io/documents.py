"""Read text, YAML and JSON from outside as plain data, within bounds. Every fault of a file is a BadInput of one line.

Plain data are strings, 64-bit integers, finite floats, true, false, null, lists, and mappings with string keys.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from smoothgates.errors import BadInput

MOST_YAML = 1 << 20
"""Largest YAML file, in bytes. People write these: the largest of this project has 10 kB."""
MOST_JSON = 1 << 25
"""Largest JSON file or line of JSONL, in bytes. Large tokenizers have a third of this. A file of empty lists, the worst
case, takes 25 times its size in memory.
"""
MOST_NODES = 100_000
"""Most values in a YAML file. The values behind an alias count each time that it is used."""
DEEPEST = 50
"""Most levels of nested lists and mappings."""
WHOLE = 1 << 63
"""Integers must have a smaller magnitude than this."""

READ_AS = {
    "bool": "true or false",
    "null": "null",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "value": "a default value",
    "merge": "a merge",
}
"""How YAML 1.1 reads unquoted text, by tag."""
_TAG = "tag:yaml.org,2002:"


def read_text(path: Path, most: int = MOST_JSON) -> str:
    """The text of a UTF-8 file. Raises BadInput if it cannot be read or has more than `most` bytes."""
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise BadInput(f"{path}: is larger than {most >> 20} MiB")
        return data.decode("utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def read_yaml(path: Path) -> dict:
    """The content of a YAML file that is one mapping. Raises BadInput, also for a duplicate key."""
    text = read_text(path, MOST_YAML)
    try:
        loader = _Composer(text)
        node = loader.get_single_node()
        data = node and _Plain(loader).of(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise BadInput(f"{path}: {where}{error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an escape outside of Unicode
        raise BadInput(f"{path}: {error}") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: expected a mapping of keys to values")
    return data


def load_json(path: Path) -> Any:
    """The content of a JSON file. Raises BadInput."""
    return parse_json(read_text(path), str(path))


def lines_of(file: BinaryIO, where: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a JSONL file with their numbers. Raises BadInput if one has more than `MOST_JSON` bytes."""
    for number, line in enumerate(iter(lambda: file.readline(MOST_JSON + 1), b""), start=1):
        if len(line) > MOST_JSON:
            raise BadInput(f"{where}:{number}: a line of more than {MOST_JSON >> 20} MiB")
        yield number, line


def parse_json(text: str | bytes, where: str) -> Any:
    """Decode JSON. Raises BadInput, whose message begins with `where`."""
    try:
        text = (text if isinstance(text, str) else text.decode()).removeprefix("\ufeff")
        data = _JSON.decode(text)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode()
        return data
    except UnicodeEncodeError:
        raise BadInput(f"{where}: contains a lone surrogate, which is not text") from None
    except RecursionError:
        raise BadInput(f"{where}: not JSON (nested too deeply)") from None
    except ValueError as error:
        raise BadInput(f"{where}: not JSON ({error})") from None


class _Composer(yaml.SafeLoader):
    """Limits the depth of nesting, so that brackets cannot exhaust the stack."""

    depth = 0

    def compose_node(self, parent, index):
        self.depth += 1
        if self.depth > DEEPEST:
            raise _fault(f"nested more than {DEEPEST} levels deep", self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Plain:
    """Turns a graph of nodes into plain data. It follows aliases itself, to count the values that they expand to."""

    def __init__(self, loader: yaml.SafeLoader):
        self.loader, self.count, self.depth = loader, 0, 0

    def of(self, node: yaml.Node) -> Any:
        self.count += 1
        if self.count > MOST_NODES:
            raise _fault(f"more than {MOST_NODES} values, counting what aliases repeat", node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in (f"{_TAG}seq", f"{_TAG}map"):
            raise _fault(f"unknown tag '{node.tag}'", node.start_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise _fault("an alias contains itself, or aliases are nested too deeply", node.start_mark)
        made = self._mapping(node) if isinstance(node, yaml.MappingNode) else [self.of(item) for item in node.value]
        self.depth -= 1
        return made

    def _mapping(self, node: yaml.MappingNode) -> dict:
        """Resolve merge keys (`<<`): the mapping's own keys win, then those of the first mapping that has the key."""
        own, merged = {}, {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                found = self.of(value_node)
                for more in found if isinstance(found, list) else [found]:
                    if not isinstance(more, dict):
                        raise _fault("`<<` expects a mapping, or a list of them", key_node.start_mark)
                    merged = more | merged
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fault("expected a string as the key, not a list or mapping", key_node.start_mark)
            key = self.of(key_node)
            if not isinstance(key, str):
                raise _fault(f"key {_misread(key_node)}", key_node.start_mark)
            if key in own:
                raise _fault(f"duplicate key '{key}'", key_node.start_mark)
            own[key] = self.of(value_node)
        return merged | own

    def _scalar(self, node: yaml.ScalarNode) -> str | int | float | bool | None:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind == "str":
            if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
                raise _fault("a string contains a NUL or a lone surrogate", node.start_mark)
            return text
        make = {
            "null": self.loader.construct_yaml_null,
            "bool": self.loader.construct_yaml_bool,
            "int": self.loader.construct_yaml_int,
            "float": self.loader.construct_yaml_float,
        }.get(kind)
        if make is None or (kind != "null" and ":" in text):  # 12:30 is read as 750
            raise _fault(_misread(node), node.start_mark)
        try:
            value = make(node)
        except (ValueError, LookupError):
            raise _fault(f"`{text[:40]}` is not {READ_AS[kind]}", node.start_mark) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise _fault(f"`{text[:40]}` is not a finite number", node.start_mark)
        if isinstance(value, int) and abs(value) >= WHOLE:
            raise _fault("an integer has more than 64 bits", node.start_mark)
        return value


def _misread(node: yaml.ScalarNode) -> str:
    kind = node.tag.removeprefix(_TAG)
    if kind not in READ_AS:
        return f"`{node.value[:40]}` has the unknown tag '{node.tag}'"
    return f"`{node.value[:40]}` is read as {READ_AS[kind]} by YAML: put it in quotes to make it a string"


def _fault(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _unique(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key '{key}'")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite)
