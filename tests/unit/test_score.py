"""`score` gives one verdict for each row of any text, and a killed run ends with the bytes of an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothgates.errors import BadInput, TryAgain
from smoothgates.evaluate import completions, score_file
from smoothgates.stages import score
from smoothgates.tasks.task import Verdict

DATA = Path("../shared/data/logic")
GOLD = "(1) Zoey is a knave\n(2) Oliver is a knight"
RIGHT = {"id": "a", "completion": f"<answer>{GOLD}</answer>", "answer": GOLD}


def echo(batch):
    """A judge that returns its input."""
    return [Verdict(float(len(text)), {"x": 1.0}, text, "correct") for text, _, _ in batch]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


@pytest.fixture
def judged(monkeypatch):
    """Replaces all judges of logic; the list collects their input."""
    seen = []

    def judge(batch):
        seen.extend(batch)
        return echo(batch)

    monkeypatch.setattr(score, "load_rewards", lambda name: {"answer": judge})
    return seen


def test_rows_are_judged_in_order_by_the_code_that_rewards_training(tmp_path):
    public = [json.loads(line) for line in (DATA / "kk_dev.jsonl").open(encoding="utf-8")]
    source = write(
        tmp_path / "in.jsonl",
        [
            {"id": row["id"], "completion": f"<answer>{row['answer']}</answer>", "answer": row["answer"]}
            if i % 2
            else {"id": row["id"], "completion": "CONCLUSION: " + public[i - 1]["answer"], "example": row}
            for i, row in enumerate(public)
        ],
    )
    score.run("logic", "answer", source, tmp_path / "new" / "out.jsonl")
    verdicts = read(tmp_path / "new" / "out.jsonl")
    assert [verdict["id"] for verdict in verdicts] == [row["id"] for row in public]
    assert all(list(verdict) == ["id", "reward", "components", "extracted", "reason"] for verdict in verdicts)
    assert [verdict["reward"] for verdict in verdicts] == [float(i % 2) for i in range(len(public))]


def test_the_fields_of_a_row_reach_the_judge(tmp_path, judged):
    rows = [
        {"id": 7, "completion": "c", "answer": ["x", "y"], "truncated": True, "model": "ignored"},
        {
            "id": "e",
            "completion": "",
            "example": {"id": "z", "question": "q?", "answer": "x", "answers": ["y"], "k": 1},
        },
        {"id": "n", "completion": "", "example": {"answer": "x", "answers": None}},
    ]
    score.run("logic", "answer", write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    found = [(e.id, e.question, e.answers, e.extra, truncated) for _, e, truncated in judged]
    assert found == [
        ("7", "", ("x", "y"), {}, True),
        ("e", "q?", ("y",), {"k": 1}, False),
        ("n", "", ("x",), {}, False),
    ]
    assert [verdict["id"] for verdict in read(tmp_path / "out.jsonl")] == [7, "e", "n"]


@given(
    st.lists(
        st.text(st.characters(codec=None)) | st.text(st.sampled_from('\ud800\udfff\x00\u2028\r\n\x85"\\')), max_size=20
    )
)
@settings(max_examples=100, deadline=None)
def test_any_text_reaches_the_judge_unchanged(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("texts")
    rows = [{"id": i, "completion": text, "answer": GOLD} for i, text in enumerate(texts)]
    source = write(folder / "in.jsonl", rows)
    with completions.opened(source) as file:
        lines = b"".join(score_file.verdict_lines(echo, list(completions.read_rows(file, source)), source))
    # What JSON makes of them: two halves of a surrogate pair that stand side by side are one character.
    assert [json.loads(line)["extracted"] for line in lines.split(b"\n")[:-1]] == json.loads(json.dumps(texts))
    score.run("logic", "answer", source, folder / "out.jsonl")
    assert [verdict["id"] for verdict in read(folder / "out.jsonl")] == list(range(len(texts)))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "line 2: not JSON"),
        ("\x00", "line 2: not JSON"),
        ('{"id": "\\ud800", "completion": "c", "answer": "a"}\n' * 2, "id: row 3 repeats the id"),
        (f'{{"id": {"9" * 5000}, "completion": "c", "answer": "a"}}', "line 2: not JSON"),
        ('{"id": null, "completion": "c", "answer": "a"}', "line 2: id: expected text or a whole number, got nothing"),
        ('{"id": 1.0, "completion": "c", "answer": "a"}', "line 2: id: expected text or a whole number, got a number"),
        ("[" * 100_000, "line 2: not JSON"),
        ("[1]", "line 2: expected an object, got a list"),
        ('{"completion": "c", "answer": "a"}', "line 2: id: expected text or a whole number, got nothing"),
        ('{"id": true, "completion": "c", "answer": "a"}', "line 2: id: expected text or a whole number"),
        ('{"id": "b", "answer": "a"}', "line 2: completion: expected text, got nothing"),
        ('{"id": "b", "completion": ["c"], "answer": "a"}', "line 2: completion: expected text, got a list"),
        ('{"id": "b", "completion": "c"}', "line 2: answer: expected text or a list of texts, got nothing"),
        ('{"id": "b", "completion": "c", "answer": []}', "line 2: answer: .* got an empty list"),
        ('{"id": "b", "completion": "c", "answer": [[]]}', "line 2: answer: expected text or a list of texts"),
        ('{"id": "b", "completion": "c", "answer": true}', "line 2: answer: .* got true or false"),
        ('{"id": "b", "completion": "c", "example": "a"}', "line 2: example: expected an object, got text"),
        ('{"id": "b", "completion": "c", "example": {}}', "line 2: example.answer: expected text"),
        ('{"id": "b", "completion": "c", "example": {"question": 1}}', "line 2: example.question: expected text"),
        ('{"id": "b", "completion": "c", "answer": "a", "truncated": 1}', "line 2: truncated: expected true or false"),
        ('{"id": "a", "completion": "c", "answer": "a"}', "id: row 2 repeats the id 'a'"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(tmp_path, line, fault):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(RIGHT) + "\n" + line + "\n")
    with pytest.raises(BadInput, match=fault) as caught:
        score.run("logic", "answer", source, out)
    assert str(caught.value).startswith(str(source))
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_an_answer_that_the_judge_cannot_read_is_bad_input(tmp_path):
    source = write(tmp_path / "in.jsonl", [RIGHT | {"answer": "Zoey"}])
    with pytest.raises(BadInput, match=r"in\.jsonl: answer: expected a line like"):
        score.run("logic", "answer", source, tmp_path / "out.jsonl")


def test_an_unknown_name_is_reported_with_the_known_ones(tmp_path):
    source = write(tmp_path / "in.jsonl", [RIGHT])
    with pytest.raises(BadInput, match="--task: expected one of logic, math, toolqa, got 'maths'"):
        score.run("maths", "answer", source, tmp_path / "out.jsonl")
    with pytest.raises(BadInput, match="--reward: expected one of answer, boxed, logic_rl for logic, got 'x'"):
        score.run("logic", "x", source, tmp_path / "out.jsonl")
    with pytest.raises(BadInput, match=r"none\.jsonl: cannot be read"):
        score.run("logic", "answer", tmp_path / "none.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(BadInput, match="is the file to read"):
        score.run("logic", "answer", source, source)
    assert read(source) == [RIGHT]


def test_an_empty_file_has_no_verdicts_and_blank_lines_are_no_rows(tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("")
    score.run("logic", "answer", source, out)
    assert out.read_bytes() == b""
    source.write_text("\n" + json.dumps(RIGHT) + "\n  \n")
    score.run("logic", "answer", source, out)
    assert [verdict["reward"] for verdict in read(out)] == [1]


def test_stopped_at_any_byte_it_continues_to_the_same_bytes_and_judges_no_row_twice(tmp_path, judged, monkeypatch):
    monkeypatch.setattr(score_file, "BATCH", 3)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write(source, [RIGHT | {"id": i, "completion": "é" * i} for i in range(8)])
    score.run("logic", "answer", source, out)
    whole = out.read_bytes()
    for cut in range(len(whole) + 1):
        judged.clear()
        out.write_bytes(whole[:cut])
        score.run("logic", "answer", source, out)
        assert out.read_bytes() == whole
        assert len(judged) == 8 - whole[:cut].count(b"\n")


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "other", "reward": 1.0, "components": {}, "extracted": null, "reason": "correct"}',
        json.dumps(RIGHT),
        "not JSON",
        "[]",
    ],
)
def test_a_file_of_other_verdicts_is_not_changed(tmp_path, line):
    source, out = write(tmp_path / "in.jsonl", [RIGHT]), tmp_path / "out.jsonl"
    score.run("logic", "answer", source, out)
    out.write_text(line + "\n")
    with pytest.raises(BadInput, match=r"out\.jsonl: line 1: .* delete the file"):
        score.run("logic", "answer", source, out)
    assert out.read_text() == line + "\n"


def test_more_verdicts_than_rows_are_bad_input(tmp_path):
    source, out = write(tmp_path / "in.jsonl", [RIGHT]), tmp_path / "out.jsonl"
    score.run("logic", "answer", source, out)
    out.write_bytes(2 * out.read_bytes())
    with pytest.raises(BadInput, match="line 2: not the verdict on row 2"):
        score.run("logic", "answer", source, out)


@pytest.mark.parametrize("cut", [None, 1, -3])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"task": "toolqa"}, "--task logic, not toolqa"),
        ({"reward": "boxed"}, "--reward answer, not boxed"),
        ({"completion": "another"}, "made with other rows"),
        ({"answer": "(1) Zoey is a knight"}, "made with other rows"),
        ({"more": True}, "made with other rows"),
        ({"code": True}, "another version of the judge"),
        ({"note": None}, "out.jsonl.score.json, the record of its inputs, is missing"),
        ({"note": "{"}, "out.jsonl.score.json: not JSON"),
        ({"note": '{"schema": "mine"}'}, "out.jsonl.score.json: schema: expected"),
    ],
)
def test_verdicts_are_never_mixed_with_those_of_anything_else(tmp_path, monkeypatch, change, fault, cut):
    """Finished or not, existing verdicts stay unchanged; without them the run starts."""
    source, out, note = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "out.jsonl.score.json"))
    rows = [RIGHT, RIGHT | {"id": "b"}]
    score.run("logic", "answer", write(source, rows), out)
    before = out.read_bytes()[:cut]
    out.write_bytes(before)
    if {"completion", "answer", "more"} & change.keys():
        write(source, [rows[0] | change, *rows[1:]])
    if "code" in change:
        monkeypatch.setattr(score, "code_digest", lambda *_: "0" * 64)
    if change.get("note"):
        note.write_text(change["note"])
    elif "note" in change:
        note.unlink()
    again = change.get("task", "logic"), change.get("reward", "answer"), source, out
    with pytest.raises(BadInput, match=fault) as caught:
        score.run(*again)
    assert "choose another --out" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert out.read_bytes() == before
    for path in (out, note) if change.get("note") else (out,):
        path.unlink()
    score.run(*again)
    assert [verdict["id"] for verdict in read(out)] == [json.loads(line)["id"] for line in source.open()]
    score.run(*again)


def test_the_recorded_inputs_are_the_same_in_every_run(tmp_path):
    source, notes = write(tmp_path / "in.jsonl", [RIGHT]), []
    for name in ("one", "two"):
        score.run("logic", "answer", source, tmp_path / name)
        notes.append((tmp_path / f"{name}.score.json").read_bytes())
    assert notes[0] == notes[1]


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "smoothgates", "score", "--task", "logic", *map(str, words)]


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "fifo"])
def test_a_pipe_is_judged_like_a_file(tmp_path, name):
    """A pipe is judged, and judged again when it is written again."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write(source, [RIGHT | {"id": i, "completion": "x" * 1000} for i in range(300)])
    score.run("logic", "answer", source, tmp_path / "straight.jsonl")
    if name == "fifo":
        name = tmp_path / "fifo"
        os.mkfifo(name)
    for new in (300, 0):
        process = subprocess.Popen(
            command("--in", name, "--out", out), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if isinstance(name, Path):
            name.write_bytes(source.read_bytes())
        said, _ = process.communicate(source.read_text())
        assert process.returncode == 0
        assert said.splitlines() == [
            f"{out}: 300 verdicts, {new} of them new",
            "accuracy 0.0 %, 95 % interval 0.0 to 1.3 % (Wilson), n = 300",
            "unparsable 300",
        ]
    assert out.read_bytes() == (tmp_path / "straight.jsonl").read_bytes()


def test_a_second_writer_is_refused_until_the_first_has_ended(tmp_path):
    source, out, straight = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "straight.jsonl"))
    write(source, [RIGHT | {"id": i} for i in range(700)])
    score.run("logic", "answer", source, straight)
    first = subprocess.Popen([sys.executable, "-c", SLOW, source, out], stderr=subprocess.DEVNULL)
    while not out.exists() or not out.stat().st_size:
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)  # so that it cannot be done before the second has begun
    second = subprocess.run(command("--in", source, "--out", out), capture_output=True, text=True, check=False)
    assert (second.returncode, second.stdout) == (75, "")
    assert second.stderr.splitlines() == [
        f"try again: {out}: another process is writing to it; wait for it, or choose another --out"
    ]
    first.kill()
    first.wait()
    score.run("logic", "answer", source, out)
    assert out.read_bytes() == straight.read_bytes()


def test_an_output_that_is_deleted_meanwhile_is_not_reported_as_written(tmp_path, monkeypatch, judged):
    source, out = write(tmp_path / "in.jsonl", [RIGHT]), tmp_path / "out.jsonl"
    monkeypatch.setattr(score_file, "resume", lambda *_: out.unlink() or 0)
    with pytest.raises(TryAgain, match="was deleted or replaced while it was being written"):
        score.run("logic", "answer", source, out)


def test_rows_that_change_while_they_are_judged_are_bad_input(tmp_path, monkeypatch):
    source, out = write(tmp_path / "in.jsonl", [RIGHT]), tmp_path / "out.jsonl"
    resume = score_file.resume
    monkeypatch.setattr(
        score_file, "resume", lambda *them: write(source, [RIGHT | {"completion": "-"}]) and resume(*them)
    )
    with pytest.raises(BadInput, match="changed while it was read"):
        score.run("logic", "answer", source, out)


@pytest.mark.parametrize(
    ("out", "fault"),
    [
        ("", "is not a regular file"),
        ("fifo", "is not a regular file"),
        ("in.jsonl", "is the file to read"),
        ("link", "is the file to read"),
        ("hard", "is the file to read"),
        ("loop", "cannot be written"),
        ("in.jsonl/out", "cannot be written"),
        ("x" * 300, "cannot be written"),
        ("x" * 250, "cannot be written"),
        ("/proc/out", "cannot be written"),
    ],
)
def test_an_output_that_cannot_be_a_file_is_named(tmp_path, out, fault):
    source = write(tmp_path / "in.jsonl", [RIGHT])
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BadInput, match=f"^--out: .*{fault}"):
        score.run("logic", "answer", source, tmp_path / out)
    assert read(source) == [RIGHT]


SLOW = """
import sys, time
from pathlib import Path
from smoothgates.evaluate import score_file
from smoothgates.stages import score
def slow(batch, judge=score.load_rewards("logic")["answer"]):
    time.sleep(0.02)
    return judge(batch)
score.load_rewards = lambda name: {"answer": slow}
score_file.BATCH = 7
score.run("logic", "answer", Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_run_killed_repeatedly_ends_with_the_bytes_of_an_uninterrupted_run(tmp_path):
    source, out, straight = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "straight.jsonl"))
    parts = [GOLD, "Zoey is a knight", GOLD.replace("knave", "knight"), "\ud800"]
    write(source, [RIGHT | {"id": f"é{i}", "completion": f"<answer>{parts[i % 4]}</answer>"} for i in range(700)])
    score.run("logic", "answer", source, straight)
    kills = size = 0
    while kills < 3:
        process = subprocess.Popen([sys.executable, "-c", SLOW, source, out], stderr=subprocess.DEVNULL)
        while process.poll() is None and (not out.exists() or out.stat().st_size <= size):
            time.sleep(0.005)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        assert straight.read_bytes().startswith(out.read_bytes())
        size = out.stat().st_size
    assert 0 < size < straight.stat().st_size
    score.run("logic", "answer", source, out)
    assert out.read_bytes() == straight.read_bytes()


def test_golds_may_be_numbers(tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": i, "completion": "#### 27", "answer": answer} for i, answer in enumerate((27, 27.0, "27", [28, 27]))]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    score.run("math", "answer", source, out)
    assert [json.loads(line)["reward"] for line in out.open()] == [1, 1, 1, 1]
