"""Published models become policy folders, from the hub or a mirror: only safe files, all of them or none."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from smoothgates.data.examples import write_examples
from smoothgates.errors import BadInput
from smoothgates.io.files import file_entry, write_json
from smoothgates.io.manifests.data import DataManifest
from smoothgates.policy import published as hub
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.load import load_policy
from smoothgates.policy.manifest import verified_folder
from smoothgates.policy.save import save_policy
from smoothgates.policy.text import STAND_IN_TEMPLATE
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.policy.weights import load_weights, write_weights
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.policy import Model, PolicySpec
from smoothgates.stages import policy as stage
from smoothgates.tasks.task import Example

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ARCH = Architecture(
    vocab_size=400,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
)
DECOYS = (
    "pytorch_model.bin",
    "modeling_mine.py",
    "consolidated.safetensors",
    "onnx/model.safetensors",
    "original/params.json",
    "README.md",
)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A mirror's folder with a model in shards, beside files that must not be read."""
    folder = tmp_path_factory.mktemp("mirror") / "org/model"
    tokenizer = build_tokenizer(["Where is it?"], ARCH.vocab_size, "bytes")
    save_policy(folder, Decoder(ARCH).initialise(torch_stream(0, "published")), tokenizer, STAND_IN_TEMPLATE)
    weights = load_weights(folder)
    (folder / "model.safetensors").unlink()
    write_weights(folder, weights, shard=30_000)
    for name in DECOYS:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no")
    return folder


@pytest.fixture
def mirror(published, tmp_path):
    """A copy to damage."""
    return Path(shutil.copytree(published.parents[1], tmp_path / "mirror"))


@pytest.fixture
def data(tmp_path):
    write_examples(
        tmp_path / "data/train.parquet", [Example(f"e{n}", f"What is {n} + 1?", (str(n),)) for n in range(9)]
    )
    train = file_entry(tmp_path / "data/train.parquet", tmp_path / "data")
    spec = {"train": [{"source": "gsm8k"}]}
    write_json(
        tmp_path / "data/manifest.json",
        {"schema": DataManifest.SCHEMA, "schema_version": 1, "spec": spec, "train": train, "benchmarks": {}},
    )
    return tmp_path / "data/manifest.json"


def spec(stand_in: Architecture | None = None, name: str = "org/model") -> str:
    return PolicySpec(
        task="math",
        method_name="warm_start",
        seed=0,
        architecture=None,
        model=Model(hub=name, revision=COMMIT, stand_in=stand_in),
        tokenizer="words",
        supervised=None,
    ).canonical()


def inside(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestMirror:
    def test_the_policy_has_the_files_of_the_model_only(self, mirror, data, tmp_path):
        out = tmp_path / "policy/model.json"
        stage.run(spec(), data, out, mirror=mirror)
        kept = inside(mirror / "org/model") - {Path(name).parts[0] for name in DECOYS}
        assert inside(out.parent) == {"weights", "model.json", "run.json"}
        assert inside(verified_folder(out)) == kept
        for name in kept:
            assert (out.parent / "weights" / name).read_bytes() == (mirror / "org/model" / name).read_bytes()
        manifest = json.loads(out.read_text())
        policy, text = load_policy(out.parent / "weights", published=True)
        assert manifest["parameters"] == sum(p.numel() for p in policy.parameters())
        assert {record["name"] for record in manifest["folders"]["weights"]} == kept
        assert text.template == STAND_IN_TEMPLATE

    def test_files_are_linked_on_the_same_disk(self, mirror, data, tmp_path):
        stage.run(spec(), data, tmp_path / "policy/model.json", mirror=mirror)
        for file in (tmp_path / "policy/weights").iterdir():
            assert file.samefile(mirror / "org/model" / file.name)
            assert not file.is_symlink()

    def test_files_are_copied_on_another_disk_with_the_same_digests(self, mirror, data, tmp_path, monkeypatch):
        stage.run(spec(), data, tmp_path / "linked/model.json", mirror=mirror)
        monkeypatch.setattr(os, "link", fail(errno.EXDEV))
        stage.run(spec(), data, tmp_path / "copied/model.json", mirror=mirror)
        manifests = [(tmp_path / name / "model.json").read_bytes() for name in ("linked", "copied")]
        assert manifests[0] == manifests[1]
        for file in verified_folder(tmp_path / "copied/model.json").iterdir():
            assert not file.samefile(mirror / "org/model" / file.name)

    def test_a_full_disk_leaves_nothing(self, mirror, data, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "link", fail(errno.EXDEV))
        copy, copied = shutil.copyfileobj, []

        def third(*what):
            copied.append(what)
            return fail(errno.ENOSPC)() if len(copied) == 3 else copy(*what)

        monkeypatch.setattr(shutil, "copyfileobj", third)
        with pytest.raises(OSError, match="No space left"):
            stage.run(spec(), data, tmp_path / "policy/model.json", mirror=mirror)
        assert inside(tmp_path / "policy") == set()

    def test_an_earlier_folder_is_replaced_as_a_whole(self, mirror, data, tmp_path):
        (tmp_path / "policy/weights").mkdir(parents=True)
        (tmp_path / "policy/weights/model-00009-of-00009.safetensors").write_text("old")
        stage.run(spec(), data, tmp_path / "policy/model.json", mirror=mirror)
        assert "model-00009-of-00009.safetensors" not in inside(tmp_path / "policy/weights")

    def test_the_mirrors_files_are_not_touched(self, mirror, data, tmp_path):
        before = {path: path.read_bytes() for path in mirror.rglob("*") if path.is_file()}
        stage.run(spec(), data, tmp_path / "policy/model.json", mirror=mirror)
        shutil.rmtree(tmp_path / "policy")
        assert {path: path.read_bytes() for path in mirror.rglob("*") if path.is_file()} == before


def fail(number: int):
    def failing(*_, **__):
        raise OSError(number, os.strerror(number))

    return failing


def settings(name: str, **changes):
    """Damage: other settings in a JSON file."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) | changes
        (folder / name).write_text(json.dumps(content))

    return damage


def without(pattern: str):
    """Damage: files deleted."""

    def damage(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.unlink()

    return damage


def cut(folder: Path) -> None:
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-8])


def of_another_revision(folder: Path) -> None:
    (folder / hub.METADATA).parent.mkdir(parents=True)
    (folder / hub.METADATA).write_text(f"{'f' * 40}\netag\n1700000000.0\n")


def more_words(folder: Path) -> None:
    build_tokenizer(["a"], 500, "bytes").save(str(folder / "tokenizer.json"))


def elsewhere(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00002", "onnx/../model-00002"))


DAMAGES = {
    "no weights at all": (without("*.safetensors*"), r"model\.safetensors: no such file; .* safetensors only"),
    "a shard missing": (without("model-00002-*"), r"model-00002-of-\d+\.safetensors: no such file"),
    "a shard cut short": (cut, r"model-00002-of-\d+\.safetensors: damaged"),
    "an index of nothing": (settings("model.safetensors.index.json", weight_map=None), "expected a weight_map"),
    "an index that leads away": (elsewhere, "names a file of another folder"),
    "no config": (without("config.json"), r"config\.json: no such file"),
    "no tokenizer": (without("tokenizer.json"), r"tokenizer\.json: no such file"),
    "a tokenizer that is none": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be read"),
    "a tokenizer with more words": (more_words, "tokenizer does not fit the model: expected ids up to 399, got 499"),
    "an end that is no word": (
        settings("generation_config.json", eos_token_id=[1, 777]),
        "tokenizer does not fit the model: it lacks the model's end token, id 777",
    ),
    "code of its own": (
        settings("config.json", model_type="mine", auto_map={"AutoConfig": "modeling_mine.Config"}),
        r"config\.json: transformers cannot use it",
    ),
    "another revision": (of_another_revision, rf"expected revision {COMMIT} \(model.revision\), got {'f' * 40}"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_model_is_reported_in_one_line_and_leaves_nothing(mirror, data, tmp_path, name):
    damage, fault = DAMAGES[name]
    damage(mirror / "org/model")
    with pytest.raises(BadInput, match=fault) as caught:
        stage.run(spec(), data, tmp_path / "policy/model.json", mirror=mirror)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "policy").exists()


def test_a_missing_model_is_reported_with_its_expected_path(mirror, data, tmp_path):
    with pytest.raises(BadInput, match=r"mirror/org/other: is missing; expected org/other there"):
        stage.run(spec(name="org/other"), data, tmp_path / "policy/model.json", mirror=mirror)


def test_a_mirror_may_record_the_right_commit(mirror, data, tmp_path):
    of_another_revision(mirror / "org/model")
    noted = mirror / "org/model" / hub.METADATA
    noted.write_text(noted.read_text().replace("f" * 40, COMMIT))
    stage.run(spec(), data, tmp_path / "policy/model.json", mirror=mirror)


class TestStandIn:
    @pytest.mark.parametrize("experts", [None, ExpertsConfig(count=4, chosen=2, intermediate_size=16)])
    def test_a_stand_in_is_loaded_like_a_published_model(self, data, tmp_path, experts):
        arch = ARCH.model_copy(update={"experts": experts})
        stage.run(spec(arch), data, tmp_path / "policy/model.json")
        policy, text = load_policy(verified_folder(tmp_path / "policy/model.json"), published=True)
        assert policy.head.shape == (400, 32)
        assert policy.sparse_shape == ((2, 2) if experts else (0, 0))
        assert text.tokenizer.decode(text.tokenizer.encode("What is 3 + 1?").ids) == "What is 3 + 1?"
        with torch.no_grad():
            assert policy.hidden(torch.ones(1, 4, dtype=torch.long)).isfinite().all()

    def test_a_stand_in_is_deterministic(self, data, tmp_path):
        for name in ("one", "two"):
            stage.run(spec(ARCH), data, tmp_path / name / "model.json")
        assert (tmp_path / "one/model.json").read_bytes() == (tmp_path / "two/model.json").read_bytes()


SCRIPT = """
import json, sys, time
time.sleep = lambda seconds: None  # the client waits long before it gives up a hub that is down
from pathlib import Path
from smoothgates.policy.published import copy_model, find_model
from smoothgates.specs.policy import Model
for name, revision, out in json.loads(sys.argv[1]):
    try:
        copy_model(find_model(Model(hub=name, revision=revision)), Path(out))
        print("done")
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def tried(published, tmp_path_factory, fake_hub):
    """The output of each try. Each has its own process, because the hub's client reads its settings once."""
    folder = tmp_path_factory.mktemp("tried")
    files = {path.relative_to(published).as_posix(): path for path in published.rglob("*") if path.is_file()}
    files = {name: path.read_bytes() for name, path in files.items()}
    environment = {**os.environ, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def attempt(*tries: tuple[str, str, str], **settings: str) -> list[str]:
        asked = json.dumps([(name, revision, str(folder / out)) for name, revision, out in tries])
        command = [sys.executable, "-c", SCRIPT, asked]
        env = {**environment, **settings}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()

    with fake_hub("org/model", COMMIT, files, kind="(?:models/)?", gated="org/gated") as endpoint:
        environment |= {"HF_ENDPOINT": endpoint}
        online = attempt(
            ("org/model", COMMIT, "weights"),
            ("org/model", "f" * 40, "none"),
            ("org/none", COMMIT, "none"),
            ("org/gated", COMMIT, "none"),
            ("not/a/name", COMMIT, "none"),
        )
    names = ("fetched", "no such revision", "no such model", "gated", "no name")
    found = dict(zip(names, online, strict=True))
    (found["the hub is down, all is cached"],) = attempt(("org/model", COMMIT, "again"))
    (found["offline, nothing cached"],) = attempt(
        ("org/model", COMMIT, "none"), HF_HOME=str(folder / "empty"), HF_HUB_OFFLINE="1"
    )
    shard = next((folder / "home").rglob("snapshots/*/model-00002-*"))
    shard.unlink()
    found["the hub is down, a part is cached"], found["the hub is down"] = attempt(
        ("org/model", COMMIT, "none"), ("org/other", COMMIT, "none")
    )
    found["cached"] = {path.name for path in (folder / "home").rglob("snapshots/*/*")} | {shard.name}
    found["folder"] = folder
    return found


class TestHub:
    def test_only_weights_settings_and_tokenizer_are_fetched(self, tried, published):
        assert tried["fetched"] == "done"
        kept = inside(published) - {Path(name).parts[0] for name in DECOYS}
        assert tried["cached"] == kept
        assert inside(tried["folder"] / "weights") == kept
        for name in kept:
            assert (tried["folder"] / "weights" / name).read_bytes() == (published / name).read_bytes()
            assert not (tried["folder"] / "weights" / name).is_symlink()

    def test_a_cached_model_needs_no_hub(self, tried):
        assert tried["the hub is down, all is cached"] == "done"

    @pytest.mark.parametrize(
        ("case", "line"),
        [
            ("no such revision", f"BadInput model: org/model@{'f' * 40}: no such revision on the hub"),
            ("no such model", f"BadInput model: org/none@{COMMIT}: no such model on the hub, or no access to it"),
            ("gated", f"BadInput model: org/gated@{COMMIT}: on the hub, accept its terms as the user whose"),
            ("no name", f"BadInput model: not/a/name@{COMMIT}: expected a name on the hub, ORGANISATION/NAME"),
            ("offline, nothing cached", f"BadInput model: org/model@{COMMIT}: not in the cache, and HF_HUB_OFFLINE"),
            ("the hub is down", f"TryAgain model: org/other@{COMMIT}: the hub cannot be reached"),
            ("the hub is down, a part is cached", f"TryAgain model: org/model@{COMMIT}: the hub cannot be reached"),
        ],
    )
    def test_each_failure_is_reported_in_one_line(self, tried, case, line):
        assert tried[case].startswith(line)

    def test_an_unreachable_hub_is_reported_with_alternatives(self, tried):
        assert "set model_mirror to a folder" in tried["the hub is down"]
        assert "HF_ENDPOINT" in tried["the hub is down"]

    def test_failures_leave_nothing(self, tried):
        assert inside(tried["folder"]) <= {"home", "empty", "weights", "again"}
