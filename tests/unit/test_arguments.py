"""The command line: an argument that cannot be used is refused in one line with exit code 2, before any work begins."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from smoothgates import cli
from smoothgates.errors import BadInput
from smoothgates.io.arguments import to_fill, to_read, to_write
from smoothgates.specs.prepare import Part, PrepareSpec

_PART = Part(source="word_problems", rows=5)
SMALL = PrepareSpec(task="math", train=(_PART,), benchmarks={"heldout": _PART}, seed=0).canonical()


@pytest.fixture
def place(tmp_path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("folder", "expected a file to write, not a folder"),
        ("file/x.json", "is not a folder"),
        ("file/a/b/x.json", "is not a folder"),
        ("n" * 300, "File name too long"),
        ("a\0b", "its name contains a NUL"),
        ("\udcff.json", "its name is not UTF-8"),
    ],
)
def test_what_cannot_be_written_is_one_line(name, fault, place):
    for given in (place / name, [place / "new.json", place / name]):
        with pytest.raises(BadInput) as error:
            to_write(given)
        assert fault in str(error.value)
        assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("folder", "expected a file, not a folder"),
        ("none", "no such file"),
        ("file/x", "no such file"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_one_line(name, fault, place):
    for given in (place / name, [place / "file", place / name]):
        with pytest.raises(BadInput, match=fault):
            to_read(given)


def test_what_continues_a_file_writes_to_no_stream():
    """`score --out` resumes a file, which standard output is not; `-` must not become the name of a file."""
    with pytest.raises(BadInput, match=r"^-: expected a file to write, not standard output"):
        to_write(Path("-"))


def test_a_folder_to_fill_is_none_inside_a_file(place):
    assert to_fill(place / "folder/new/deep") == place / "folder/new/deep"
    with pytest.raises(BadInput, match="is not a folder"):
        to_fill(place / "file")


def test_what_is_fine_passes_unchanged(place):
    assert to_write(place / "new/deep/x.json") == place / "new/deep/x.json"
    assert to_write([place / "file"]) == [place / "file"]
    assert to_read(place / "file") == place / "file"
    assert to_read(None) is to_write(None) is None


OUTS = [
    ("prepare", "--spec", SMALL, "--out"),
    ("policy", "--spec", "{}", "--data", "file", "--out"),
    ("train", "--spec", "{}", "--data", "file", "--policy", "file", "--metrics", "m.parquet", "--out"),
    ("train", "--spec", "{}", "--data", "file", "--policy", "file", "--out", "m.json", "--metrics"),
    ("evaluate", "--spec", "{}", "--data", "file", "--model", "file", "--out"),
    ("gates", "--spec", "{}", "--curves", "c.parquet", "--out"),
    ("index", "--spec", "{}", "--out"),
    ("score", "--task", "math", "--in", "file", "--out"),
    ("corpus", "wiki18", "--out"),
    ("analyse", "--spec", "{}", "--results", "folder", "--out"),
    ("report", "--spec", "{}", "--analysis", "file", "--gates", "file", "--data", "file", "--out"),
    ("archive", "--out"),
]
INS = [
    ("prepare", "--out", "new.json", "--spec"),
    ("policy", "--spec", "{}", "--out", "new.json", "--data"),
    ("evaluate", "--spec", "{}", "--data", "file", "--out", "new.json", "--model"),
    ("score", "--task", "math", "--out", "new.jsonl", "--in"),
    ("report", "--spec", "{}", "--analysis", "file", "--gates", "file", "--out", "new.html", "--data"),
]


@pytest.mark.parametrize("command", [(*words, "folder") for words in OUTS] + [(*words, "folder") for words in INS[1:]])
def test_every_stage_refuses_a_folder(command, place, capfd, monkeypatch):
    monkeypatch.chdir(place)
    refused(command, "folder: expected a file", capfd, monkeypatch)
    assert sorted(path.name for path in place.iterdir()) == ["file", "folder"]


def test_a_folder_as_spec_is_one_line(place, capfd, monkeypatch):
    monkeypatch.chdir(place)
    refused((*INS[0], "@folder"), "folder: cannot be read", capfd, monkeypatch)


def test_what_the_file_system_refuses_later_is_one_line_too(place, capfd, monkeypatch):
    """`train.parquet` is written beside the manifest."""
    (place / "folder/train.parquet").mkdir()
    monkeypatch.chdir(place)
    refused(("prepare", "--spec", SMALL, "--out", "folder/x.json"), "train.parquet", capfd, monkeypatch)


def refused(command, message: str, capfd, monkeypatch) -> None:
    """In this process: an interpreter a case would take a minute."""
    monkeypatch.setattr(sys, "argv", ["smoothgates", *command])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    said = capfd.readouterr().err
    assert exit.value.code == 2
    assert message in said
    assert (said.startswith("error: "), said.count("\n")) == (True, 1)


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def test_an_ascii_locale_changes_nothing(tmp_path):
    """Names of files and what is printed are UTF-8: `é` in a path comes into the record, and `φ` onto the screen."""
    out = tmp_path / "é/m.json"

    def said(*words: object, code: int) -> str:
        command = [sys.executable, "-m", "smoothgates", *map(str, words)]
        done = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        return (done.stdout + done.stderr).decode("utf-8")

    said("prepare", "--spec", SMALL, "--out", out, code=0)
    assert str(out) in json.loads((out.parent / "run.json").read_text(encoding="utf-8"))["outputs"]
    assert said("prepare", "--spec", SMALL, "--out", out.parent, code=2).startswith(f"error: {out.parent}: expected")
    assert "φ" in said("gates", "--help", code=0)


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    """Also in the names of studies and in specs."""
    for words in (
        [b"prepare", b"--spec", b'{"task": "\xff"}', b"--out", b"x.json"],
        [b"prepare", b"--spec", b"{}", b"--out", b"\xff.json"],
        [b"plan", b"--study", b"\xff"],
        [b"plan", b"--study", b"\xff.yaml"],
    ):
        command = [sys.executable, "-m", "smoothgates", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1), done.stderr
        assert done.stderr.startswith(b"error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch, capfd):
    def broken(*_):
        raise RecursionError("ours")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(RecursionError, match="ours"):
        cli.main()


def test_the_version_is_that_of_the_installed_package(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["smoothgates", "--version"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 0
    assert capfd.readouterr().out == f"smoothgates {version('smoothgates')}\n"


@pytest.mark.parametrize(
    ("typed", "offered"), [("smoothgates pru", {"prune"}), ("smoothgates plan --conc", {"--concurrency"})]
)
def test_the_shell_completes_commands_and_options(typed, offered, monkeypatch, capfd):
    """As bash asks for it: the words so far, and the number of the word to complete."""
    words = typed.split()
    asked = {"_SMOOTHGATES_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["smoothgates"])
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # not `python -m pytest`: a script of that name
    with pytest.raises(SystemExit):
        cli.main()
    assert set(capfd.readouterr().out.split()) == offered
