"""Examples on disk: what is written is read, and only the rows that are asked for are parsed."""

import json
import random

from smoothgates.data import examples
from smoothgates.data.examples import read_examples, write_examples
from smoothgates.io.files import file_entry, write_json
from smoothgates.tasks.task import Example

WRITTEN = [Example(f"e{n}", f"{n} + 1?", (str(n + 1), f"{n + 1}.0"), {"n": n}) for n in range(200)]


def test_only_the_rows_that_are_drawn_are_parsed(tmp_path, monkeypatch):
    write_examples(tmp_path / "train.parquet", WRITTEN)
    entry = file_entry(tmp_path / "train.parquet", tmp_path)
    data = {"schema": "smoothgates.data", "schema_version": 1, "spec": {}, "train": entry, "benchmarks": {}}
    write_json(tmp_path / "manifest.json", data)
    parsed = []
    monkeypatch.setattr(examples.json, "loads", lambda text: parsed.append(text) or json.JSONDecoder().decode(text))
    found = read_examples(tmp_path / "manifest.json")
    assert random.Random(3).sample(found, 5) == random.Random(3).sample(WRITTEN, 5)
    assert len(parsed) == 5
    assert found[-3:] == WRITTEN[-3:]
    assert list(found) == WRITTEN
