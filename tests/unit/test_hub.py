"""The hub: its files match their pins, fetched files need no hub, and each failure is one line."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from smoothgates.data.mirror import STAND_INS
from smoothgates.data.pinned import LOCK, load_pinned, read_pins
from smoothgates.data.sources import canonical
from smoothgates.errors import BadInput
from smoothgates.tasks import NAMES, load_task
from smoothgates.tasks.task import Source, example_of

DATA = Path("../shared/data")
SOURCES = {f"{task}/{name}": source for task in NAMES for name, source in load_task(task).sources.items()}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = [{"question": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(100)]
SCRIPT = """
import contextlib, io, json, sys, time
time.sleep = lambda seconds: None  # the client waits 23 s before it gives up a hub that is down
from pathlib import Path
from smoothgates.data.pinned import fetch_corpus, load_pinned, pin
from smoothgates.tasks.task import Corpus, example_of
from smoothgates.tasks.task import Source
read = lambda row: example_of("", row["question"], [row["answer"]])

def act(verb, hub, revision, out):
    source = Source(read, hub, revision, ("part-*.parquet",))
    if verb == "pin":
        pin({"math/x": source}, Path(out))
    elif verb in ("load", "first"):
        locks = (Path(out),) if verb == "load" else (Path("none.yaml"), Path(out))
        examples, facts = load_pinned("math/x", source, *locks)
        print(json.dumps([[e.id, e.question, *e.answers] for e in examples] + [facts]))
    else:
        member, sha256 = verb.split()
        fetch_corpus(Corpus(hub, revision, "corpus.gz", sha256, member), Path(out))

def attempt(words):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            act(*words)
        except Exception as error:
            print(type(error).__name__, error)
    left = Path(words[-1])
    return out.getvalue().strip(), told.getvalue(), left.read_text() if left.exists() else ""

print(json.dumps([attempt(words) for words in json.loads(sys.argv[1])]))
"""


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


class TestPins:
    SOURCE = Source(lambda row: example_of("", row["question"], [row["answer"]]), "org/set", COMMIT, ("*.parquet",))

    def test_what_is_on_the_hub_has_a_commit_and_files(self):
        for source in SOURCES.values():
            assert bool(source.hub) == bool(source.files) == bool(source.revision)
            assert source.hub is None or re.fullmatch("[0-9a-f]{40}", source.revision)

    def test_pins_are_of_sources_at_their_commits(self):
        for name, pin in read_pins(LOCK).items():
            assert pin.revision == SOURCES[name].revision
            for path, digest in pin.files.items():
                assert any(fnmatch(path, pattern) for pattern in SOURCES[name].files)
                assert re.fullmatch("[0-9a-f]{64}", digest)

    def test_math500_is_pinned_as_the_untouched_copy_has_it(self):
        copy = (DATA / "math/orig/math500_test.jsonl").read_bytes()
        assert read_pins(LOCK)["math/math500"].files == {"test.jsonl": hashlib.sha256(copy).hexdigest()}

    def test_without_a_pin_the_command_that_pins_is_named(self, tmp_path):
        with pytest.raises(BadInput, match="math/x is not pinned: run `python -m smoothgates pin math/x`"):
            load_pinned("math/x", self.SOURCE, tmp_path / "lock.yaml")

    def test_a_pin_at_another_commit_is_named(self, tmp_path):
        lock = tmp_path / "lock.yaml"
        lock.write_text(f"math/x: {{revision: {'f' * 40}, files: {{}}}}\n")
        with pytest.raises(BadInput, match=f"is pinned at {'f' * 40}, its catalogue says {COMMIT}"):
            load_pinned("math/x", self.SOURCE, lock)

    def test_the_projects_pins_come_before_a_studys_own(self, tmp_path):
        lock, own = tmp_path / "lock.yaml", tmp_path / "own.yaml"
        lock.write_text(f"math/x: {{revision: {'f' * 40}, files: {{}}}}\n")
        own.write_text(f"math/x: {{revision: {COMMIT}, files: {{}}}}\n")
        with pytest.raises(BadInput, match=rf"/lock\.yaml: math/x is pinned at {'f' * 40}"):
            load_pinned("math/x", self.SOURCE, lock, own)

    def test_a_damaged_lock_is_named(self, tmp_path):
        lock = tmp_path / "lock.yaml"
        lock.write_text("math/x: {revision: main, files: {}}\n")
        with pytest.raises(BadInput, match=r"lock\.yaml: math/x: revision"):
            load_pinned("math/x", self.SOURCE, lock)

    def test_sets_of_mirrors_alone_say_so(self):
        with pytest.raises(BadInput, match="logic/kk_perturbed: is not on the hub"):
            load_pinned("logic/kk_perturbed", SOURCES["logic/kk_perturbed"])


@pytest.fixture(scope="module")
def tried(tmp_path_factory, fake_hub):
    """The output of each attempt, by name. Each state of the hub has a process: the client reads its settings once."""
    folder = tmp_path_factory.mktemp("hub")
    lock, corpus = folder / "lock.yaml", folder / "corpus.jsonl"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("deep/passages.jsonl")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"{}\n{}"))
    archived = hashlib.sha256(archive.getvalue()).hexdigest()
    files = {
        "part-0.parquet": parquet(ROWS[:60]),
        "part-1.parquet": parquet(ROWS[60:]),
        "other.parquet": parquet([{"unrelated": 1}]),
        "corpus.gz": archive.getvalue(),
    }
    environment = {**os.environ, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def attempts(*tries: tuple[str, ...], **settings: str) -> list[tuple[str, str, str]]:
        """What each attempt returned or raised, its output, and the content of its file afterwards."""
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(tries)],
            env={**environment, **settings},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def words(verb: str, hub: str = "org/set", revision: str = COMMIT, out: Path = lock) -> tuple[str, ...]:
        return verb, hub, revision, str(out)

    own, shared, other = (folder / name for name in ("mine.lock.yaml", "ours.lock.yaml", "other.jsonl"))
    online = {
        "pin": words("pin"),
        "online": words("load"),
        "no such revision": words("pin", revision="f" * 40),
        "no such set": words("pin", hub="org/none"),
        "first use": words("first", out=own),
        "second use": words("first", out=own),
        "corpus": words(f"deep/passages.jsonl {archived}", out=corpus),
        "no such member": words(f"other.jsonl {archived}", out=other),
        "damaged corpus": words(f"deep/passages.jsonl {'a' * 64}", out=other),
    }
    with fake_hub("org/set", COMMIT, files) as endpoint:
        environment |= {"HF_ENDPOINT": endpoint}
        tried = dict(zip(online, attempts(*online.values()), strict=True))
        with ThreadPoolExecutor(3) as pool:
            tried["several"] = [found for (found,) in pool.map(attempts, [words("first", out=shared)] * 3)]
    nowhere, offline = {"HF_HOME": str(folder / "empty")}, {"HF_HUB_OFFLINE": "1"}
    (tried["the hub is down, all is cached"],) = attempts(words("load"))
    (tried["the hub is down"],) = attempts(words("load"), **nowhere)
    (tried["offline, nothing cached"],) = attempts(words("load"), **nowhere, **offline)
    fewer = folder / "fewer.yaml"
    fewer.write_text(re.sub(r"    part-1.*\n", "", lock.read_text()))
    tried["offline"], tried["more files"] = attempts(words("load"), words("load", out=fewer), **offline)
    cached = next((folder / "home").rglob("part-1.parquet"))
    for damage, keep in (("flipped", None), ("truncated", 700)):
        data = bytearray(cached.read_bytes()[:keep])
        data[600] ^= 1
        cached.resolve().write_bytes(data)
        tried[damage], tried[f"{damage}, pinned by first use"] = attempts(
            words("load"), words("first", out=own), **offline
        )
        tried[f"{damage} digest"] = hashlib.sha256(data).hexdigest()
    tried["left behind"] = sorted(path.name for path in folder.iterdir())
    return tried


class TestHub:
    def test_pinning_writes_what_the_hub_holds(self, tried):
        printed, _, lock = tried["pin"]
        assert printed == ""
        for path, rows in (("part-0.parquet", ROWS[:60]), ("part-1.parquet", ROWS[60:])):
            assert f"    {path}: {hashlib.sha256(parquet(rows)).hexdigest()}\n" in lock
        assert f"math/x:\n  revision: {COMMIT}\n  files:\n" in lock
        assert "other.parquet" not in lock

    def test_the_first_use_pins_what_is_not_pinned_and_says_so_in_one_line(self, tried):
        loaded, told, lock = tried["first use"]
        assert loaded == tried["online"][0]
        assert re.fullmatch(rf"math/x: pinned in \S+/mine\.lock\.yaml: org/set@{COMMIT}, sha256 of 2 files\n", told)
        assert lock == tried["pin"][2]

    def test_later_uses_are_held_to_that_pin(self, tried):
        assert tried["second use"] == [tried["online"][0], "", tried["first use"][2]]
        fault = tried["flipped, pinned by first use"][0]
        assert re.search(r"part-1\.parquet: damaged: sha256 is \w+, \S+/mine\.lock\.yaml says", fault)

    def test_of_several_at_once_one_pins_and_nothing_is_left_behind(self, tried):
        loaded, told, locks = map(list, zip(*tried["several"], strict=True))
        assert loaded == [tried["online"][0]] * 3
        assert "".join(told).count("pinned in") == 1
        assert locks == [tried["pin"][2]] * 3
        assert not any("guard" in name for name in tried["left behind"])

    def test_rows_come_in_the_order_of_the_files_and_no_other_file_is_read(self, tried):
        *examples, facts = json.loads(tried["online"][0])
        assert examples == [[f"x-{i}", row["question"], row["answer"]] for i, row in enumerate(ROWS)]
        assert facts["from"] == f"org/set@{COMMIT}"
        assert (facts["rows"], facts["dropped"]) == (100, 0)
        assert facts["rows_sha256"] == hashlib.sha256(b"".join(canonical(row) for row in ROWS)).hexdigest()

    def test_a_cached_source_needs_no_hub(self, tried):
        assert tried["offline"][0] == tried["the hub is down, all is cached"][0] == tried["online"][0]

    def test_what_is_not_cached_is_one_line(self, tried):
        fault = tried["offline, nothing cached"][0]
        assert fault.startswith("BadInput math/x: org/set@")
        assert "HF_HUB_OFFLINE" in fault
        assert len(fault.splitlines()) == 1

    def test_a_hub_that_is_down_is_worth_another_try(self, tried):
        assert re.fullmatch(r"TryAgain math/x: org/set@\w+: the hub cannot be reached .*", tried["the hub is down"][0])

    def test_an_unknown_revision_is_one_line(self, tried):
        assert tried["no such revision"][0] == f"BadInput math/x: org/set@{'f' * 40}: no such revision on the hub"

    def test_an_unknown_set_is_one_line(self, tried):
        assert (
            tried["no such set"][0]
            == f"BadInput math/x: org/none@{COMMIT}: no such data set on the hub, or no access to it"
        )

    @pytest.mark.parametrize("damage", ["flipped", "truncated"])
    def test_a_damaged_file_is_named_with_both_digests(self, tried, damage):
        pinned = hashlib.sha256(parquet(ROWS[60:])).hexdigest()
        found = tried[f"{damage} digest"]
        assert found != pinned
        assert re.fullmatch(
            rf"BadInput \S+/part-1\.parquet: damaged: sha256 is {found}, \S+ says {pinned}", tried[damage][0]
        )

    def test_other_files_than_pinned_are_named(self, tried):
        assert "has the files ['part-0.parquet', 'part-1.parquet']" in tried["more files"][0]
        assert tried["more files"][0].endswith("says ['part-0.parquet']")

    def test_a_corpus_is_unpacked_whole_or_not_at_all(self, tried):
        assert (tried["corpus"][0], tried["corpus"][2]) == ("", "{}\n{}")
        assert tried["no such member"][0].endswith("corpus.gz holds no other.jsonl")
        assert re.search(f"corpus.gz: damaged: sha256 is .* expected {'a' * 64}$", tried["damaged corpus"][0])
        assert "other.jsonl" not in tried["left behind"]


def test_a_study_pins_once_and_has_nothing_to_do_then(tmp_path, fake_hub):
    """Through the DAG: the lock is written beside the study, the job's log says so, and nothing reruns."""
    for name in ("workflow", "src", "envs", "config"):
        shutil.copytree(name, tmp_path / name)
    shutil.copy("Snakefile", tmp_path)
    study = yaml.safe_load((tmp_path / "config/one_gpu.yaml").read_text("utf-8"))
    study["tasks"]["math"]["data"] = {"train": [{"source": "hmmt25"}], "benchmarks": {"hmmt25": {"source": "hmmt25"}}}
    study["tasks"]["math"]["evaluation"] = {"hmmt25": {"final": {"problems": 12, "samples": 1}}}
    (tmp_path / "config/mine.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    rows = [json.loads(row) for row in (STAND_INS / "math/hmmt25.jsonl").read_text("utf-8").splitlines()]
    source = SOURCES["math/hmmt25"]

    def snakemake(*words: str, **settings: str) -> str:
        command = [sys.executable, "-m", "snakemake", *words, "--profile", "workflow/profiles/local"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path / "src"), **settings}
        command += ["--config", "study=mine"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    data = "results/mine/data/math/manifest.json"
    with fake_hub(source.hub, source.revision, {"data/train-0.parquet": parquet(rows)}) as endpoint:
        snakemake(data, HF_ENDPOINT=endpoint, HF_HOME=str(tmp_path / "home"))
    assert "Nothing to be done" in snakemake("-n", data)
    pinned = read_pins(tmp_path / "config/mine.lock.yaml")
    assert pinned.keys() == {"math/hmmt25"}
    log = (tmp_path / "logs/mine/prepare/math.log").read_text("utf-8")
    assert f"math/hmmt25: pinned in config/mine.lock.yaml: {source.hub}@{source.revision}, sha256 of 1 files\n" in log
    assert json.loads((tmp_path / data).read_text("utf-8"))["sources"]["hmmt25"]["rows"] == len(rows)
