"""A manifest that was edited, or came from elsewhere, is one line, and names nothing outside of its folder."""

import json
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.manifests.gate_check import GateCheck
from smoothgates.io.manifests.index import IndexManifest
from smoothgates.io.manifests.manifest import Manifest, read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.manifests.run_record import RunRecord

FILE = {"name": "a.safetensors", "size": 1, "sha256": "0" * 64}
WHOLE = {
    DataManifest: {"spec": {}, "train": FILE, "benchmarks": {"heldout": FILE}},
    ModelManifest: {
        "spec": {"task": "math", "regime_name": "near", "method_name": "erf", "seed": 0},
        "status": "finished",
        "rollouts": 2,
        "final": "weights",
        "checkpoints": [{"rollouts": 1, "folder": "checkpoints/rollout0001"}],
        "folders": {"weights": [FILE], "checkpoints/rollout0001": [FILE]},
    },
    IndexManifest: {"spec": {}, "files": [FILE]},
    GateCheck: {"spec": {"gate": "erf"}},
    RunRecord: {
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


def read(path: Path, kind: type[Manifest], data: dict) -> dict:
    path.write_text(json.dumps({**data, "schema": kind.SCHEMA, "schema_version": 1}))
    return read_manifest(path, kind)


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


@pytest.mark.parametrize("kind", WHOLE)
def test_what_readers_ask_for_is_there_and_of_its_kind(kind, tmp_path):
    path, whole = tmp_path / "manifest.json", WHOLE[kind]
    assert read(path, kind, whole | {"more": 1})["more"] == 1
    for key in whole:
        with pytest.raises(BadInput, match=f"^{path}: {key}: Field required"):
            read(path, kind, {other: whole[other] for other in whole if other != key})
    for place in places(whole):
        if place[-1] not in ("dirty", "size") and place[:2] != ("drift", "torch"):  # where null says: not known, absent
            with pytest.raises(BadInput, match=f"^{path}: {place[0]}"):
                read(path, kind, spoilt(whole, place, None))


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/etc/passwd", "", ".", "a/.."])
def test_no_name_leads_out_of_the_manifests_folder(name, tmp_path):
    path, model = tmp_path / "manifest.json", WHOLE[ModelManifest]
    for kind, place in (
        (DataManifest, ("train", "name")),
        (DataManifest, ("benchmarks", "heldout", "name")),
        (IndexManifest, ("files", 0, "name")),
        (ModelManifest, ("folders", "weights", 0, "name")),
        (ModelManifest, ("checkpoints", 0, "folder")),
        (ModelManifest, ("final",)),
    ):
        with pytest.raises(BadInput, match="expected a name below the manifest's folder"):
            read(path, kind, spoilt(WHOLE[kind], place, name))
    with pytest.raises(BadInput, match="expected a name below the manifest's folder"):
        read(path, ModelManifest, {**model, "folders": {**model["folders"], name: []}})


def test_a_policy_names_the_files_of_its_folders(tmp_path):
    model = WHOLE[ModelManifest]
    with pytest.raises(BadInput, match="folders: expected the files of 'other' among them"):
        read(tmp_path / "model.json", ModelManifest, {**model, "final": "other"})
