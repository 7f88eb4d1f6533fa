"""A manifest that was edited, or came from elsewhere, is one line, and names nothing outside of its folder."""

import json
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.io.files import read_json
from smoothgates.io.manifests import SHAPES

FILE = {"name": "a.safetensors", "size": 1, "sha256": "0" * 64}
WHOLE = {
    "smoothgates.data": {"spec": {}, "train": FILE, "benchmarks": {"heldout": FILE}},
    "smoothgates.model": {
        "spec": {"task": "math", "regime_name": "near", "method_name": "erf", "seed": 0},
        "status": "finished",
        "rollouts": 2,
        "final": "weights",
        "checkpoints": [{"rollouts": 1, "folder": "checkpoints/rollout0001"}],
        "folders": {"weights": [FILE], "checkpoints/rollout0001": [FILE]},
    },
    "smoothgates.index": {"spec": {}, "files": [FILE]},
    "smoothgates.run": {
        "stage": "train",
        "spec_sha256": "0" * 64,
        "code_sha256": "0" * 64,
        "lock_sha256": "0" * 16,
        "inputs": {"a": "0" * 64},
        "outputs": {"b": "0" * 64},
        "drift": {"torch": ["2.13.0", None]},
        "dirty": None,
        "versions": {},
        "began": "2026-02-03T04:05:06Z",
        "seconds": 1.5,
    },
}


def read(path: Path, schema: str, data: dict) -> dict:
    path.write_text(json.dumps({**data, "schema": schema, "schema_version": 1}))
    return read_json(path, schema)


def places(data, at=()):
    """Every key in it, by path."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield (*at, key)
        yield from places(value, (*at, key))


def spoilt(data: dict, place: tuple, value) -> dict:
    inner = data = json.loads(json.dumps(data))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return data


@pytest.mark.parametrize("schema", SHAPES)
def test_what_readers_ask_for_is_there_and_of_its_kind(schema, tmp_path):
    path, whole = tmp_path / "manifest.json", WHOLE[schema]
    assert read(path, schema, whole | {"more": 1})["more"] == 1
    for key in whole:
        with pytest.raises(BadInput, match=f"^{path}: {key}: Field required"):
            read(path, schema, {other: whole[other] for other in whole if other != key})
    for place in places(whole):
        if place[-1] not in ("dirty", "size") and place[:2] != ("drift", "torch"):  # where null says: not known, absent
            with pytest.raises(BadInput, match=f"^{path}: {place[0]}"):
                read(path, schema, spoilt(whole, place, None))


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/etc/passwd", "", ".", "a/.."])
def test_no_name_leads_out_of_the_manifests_folder(name, tmp_path):
    path, model = tmp_path / "manifest.json", WHOLE["smoothgates.model"]
    for schema, place in (
        ("smoothgates.data", ("train", "name")),
        ("smoothgates.data", ("benchmarks", "heldout", "name")),
        ("smoothgates.index", ("files", 0, "name")),
        ("smoothgates.model", ("folders", "weights", 0, "name")),
        ("smoothgates.model", ("checkpoints", 0, "folder")),
        ("smoothgates.model", ("final",)),
    ):
        with pytest.raises(BadInput, match="expected a name below the manifest's folder"):
            read(path, schema, spoilt(WHOLE[schema], place, name))
    with pytest.raises(BadInput, match="expected a name below the manifest's folder"):
        read(path, "smoothgates.model", {**model, "folders": {**model["folders"], name: []}})


def test_a_policy_names_the_files_of_its_folders(tmp_path):
    model = WHOLE["smoothgates.model"]
    with pytest.raises(BadInput, match="folders: expected the files of 'other' among them"):
        read(tmp_path / "model.json", "smoothgates.model", {**model, "final": "other"})
