"""Sources: every public row becomes a valid example, and damaged files are refused."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smoothgates.data.mirror import SUMS, load_mirrored, mirror_file, read_rows
from smoothgates.data.prepare import mixture
from smoothgates.data.sources import canonical, convert
from smoothgates.errors import BadInput
from smoothgates.seeds import python_stream
from smoothgates.tasks import NAMES, load_task
from smoothgates.tasks.math.catalogue import SOURCES as MATH
from smoothgates.tasks.task import Example

DATA = Path("../shared/data")
SOURCES = {f"{task}/{name}": source for task in NAMES for name, source in load_task(task).sources.items()}
MIRRORED = sorted(name for name in SOURCES if (DATA / f"{name}.jsonl").exists())


@cache
def counts() -> dict[str, int]:
    """Number of rows of each file, from the README of the data."""
    text = (DATA / "README.md").read_text("utf-8")
    return {name: int(rows) for name, rows in re.findall(r"^\| `([\w/]+)\.jsonl` \| (\d+) \|", text, re.MULTILINE)}


def upstream(name: str, *files: str) -> list[Example]:
    """Examples of a source from rows with the hub's columns."""
    rows = (located for file in files for located in read_rows(DATA / file))
    return convert(name, SOURCES[name], rows)[0]


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


@pytest.fixture
def mirror(tmp_path) -> Path:
    """A mirror of one set, with checksums."""
    (tmp_path / "math").mkdir()
    shutil.copy(DATA / "math/math500.jsonl", tmp_path / "math/math500.jsonl")
    found = hashlib.sha256((tmp_path / "math/math500.jsonl").read_bytes()).hexdigest()
    (tmp_path / SUMS).write_text(f"{found}  math/math500.jsonl\n")
    return tmp_path


class TestRealRows:
    @pytest.mark.parametrize("name", MIRRORED)
    def test_each_row_is_a_valid_example(self, name):
        examples, facts = load_mirrored(name, SOURCES[name], DATA)
        assert len(examples) == facts["rows"] == counts()[name]
        assert facts["dropped"] == 0
        assert len({example.id for example in examples}) == len(examples)
        for example in examples:
            assert example.id
            assert example.question == example.question.strip() != ""
            assert example.answers
            assert all(answer == answer.strip() != "" for answer in example.answers)
            assert json.loads(json.dumps(example.extra)) == example.extra

    def test_golds_are_those_of_the_rows(self):
        for name in MIRRORED:
            rows = [row for _, row in read_rows(DATA / f"{name}.jsonl")]
            for row, example in zip(rows, load_mirrored(name, SOURCES[name], DATA)[0], strict=True):
                golds = row.get("answers") or [row["answer"]]
                # Leading zeros and degrees are all that may go.
                assert {gold.strip().lstrip("0") for gold in golds} <= {gold.lstrip("0") for gold in example.answers}

    def test_gsm8k_upstream_gives_the_same_problems(self):
        for split in ("test", "train"):
            raw = upstream(f"math/gsm8k_{split}", f"math/orig/gsm8k_{split}.jsonl")
            ours, _ = load_mirrored(f"math/gsm8k_{split}", MATH[f"gsm8k_{split}"], DATA)
            kept = raw[: len(ours)]
            assert [(e.question, e.answers) for e in kept] == [(e.question.strip(), e.answers) for e in ours]

    @pytest.mark.parametrize("name", ["math500", "aime24", "aime25", "amc23", "olympiadbench"])
    def test_upstream_rows_give_the_same_problems(self, name):
        raw = upstream(f"math/{name}", f"math/orig/{name}_test.jsonl")
        ours, _ = load_mirrored(f"math/{name}", MATH[name], DATA)
        assert [e.answers for e in raw] == [e.answers for e in ours]
        assert [e.question for e in raw] == [e.question for e in ours]

    def test_competition_answers_are_integers_without_leading_zeros(self):
        for name in ("aime24", "aime25", "amc23"):
            for example in load_mirrored(f"math/{name}", MATH[name], DATA)[0]:
                assert example.answers[0] == str(int(example.answers[0]))

    def test_minerva_accepts_the_cleaned_variants_too(self):
        rows = [row for _, row in read_rows(DATA / "math/minerva_math.jsonl")]
        for row, example in zip(rows, load_mirrored("math/minerva_math", MATH["minerva_math"], DATA)[0], strict=True):
            assert {answer.strip() for answer in row["meta"]["rllm_answers"]} <= set(example.answers)

    def test_puzzles_keep_what_the_solver_needs(self):
        files = [f"logic/orig/kk_{size}ppl_train.parquet" for size in range(3, 8)]
        train, dev = (upstream(f"logic/kk_{side}", *files) for side in ("train", "dev"))
        assert (len(train), len(dev)) == (4000, 500)
        by_question = {example.question: example for example in (*train, *dev)}
        for name in ("kk_train", "kk_dev"):
            for example in load_mirrored(f"logic/{name}", SOURCES[f"logic/{name}"], DATA)[0]:
                twin = by_question[example.question]
                assert twin.answers == example.answers
                for key in ("names", "solution", "statements"):
                    assert twin.extra[key] == example.extra[key]
        assert {example.question for example in dev} == {
            example.question for example in load_mirrored("logic/kk_dev", SOURCES["logic/kk_dev"], DATA)[0]
        }

    def test_other_words_for_the_roles_are_kept(self):
        examples, _ = load_mirrored("logic/kk_perturbed", SOURCES["logic/kk_perturbed"], DATA)
        for example in examples:
            for line, honest in zip(example.answers[0].splitlines(), example.extra["solution"], strict=True):
                assert line.endswith(example.extra["truth_teller" if honest else "liar"])

    def test_flashrag_rows_are_read(self):
        raw = upstream("toolqa/nq", "toolqa/orig/flashrag_quickstart_nq_test.jsonl")
        assert len(raw) == 17
        assert raw[0].answers == ("Wilhelm Conrad Röntgen",)

    def test_supporting_titles_are_among_the_passages(self):
        name = "toolqa/hotpotqa_distractor_train100"
        rows = [row for _, row in read_rows(DATA / f"{name}.jsonl")]
        for row, example in zip(rows, load_mirrored(name, SOURCES[name], DATA)[0], strict=True):
            titles = example.extra["supporting_titles"]
            assert titles
            assert set(titles) <= {passage["title"] for passage in row["context"]}


class TestMirror:
    def test_a_flipped_byte_is_named_with_both_digests(self, mirror):
        path = mirror / "math/math500.jsonl"
        data = bytearray(path.read_bytes())
        before = hashlib.sha256(data).hexdigest()
        data[1000] ^= 1
        path.write_bytes(data)
        with pytest.raises(BadInput, match=rf"math500\.jsonl.*{hashlib.sha256(data).hexdigest()}.*{before}"):
            load_mirrored("math/math500", MATH["math500"], mirror)

    def test_a_truncated_file_is_named_with_both_digests(self, mirror):
        path = mirror / "math/math500.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        # At the end of a line: what is left parses.
        path.write_bytes(b"".join(lines[:400]))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        with pytest.raises(BadInput, match=rf"math500\.jsonl.*{found}.*{before}"):
            load_mirrored("math/math500", MATH["math500"], mirror)

    def test_checksums_must_list_the_file(self, mirror):
        (mirror / SUMS).write_text("")
        with pytest.raises(BadInput, match=r"SHA256SUMS: does not list math/math500\.jsonl"):
            load_mirrored("math/math500", MATH["math500"], mirror)

    def test_checksums_are_read_as_sha256sum_writes_them(self, mirror):
        for arguments in (["-b", "math/math500.jsonl"], ["./math/math500.jsonl"]):
            listed = subprocess.run(["sha256sum", *arguments], cwd=mirror, capture_output=True, check=True).stdout
            (mirror / SUMS).write_bytes(listed)
            assert load_mirrored("math/math500", MATH["math500"], mirror)[1]["rows"] == 500

    def test_without_checksums_a_broken_line_is_named(self, mirror):
        (mirror / SUMS).unlink()
        path = mirror / "math/math500.jsonl"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(BadInput, match=r"math500\.jsonl:500: not JSON"):
            load_mirrored("math/math500", MATH["math500"], mirror)

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ("[1]", "expected an object, got list"),
            ('{"question": "a"}', "KeyError: 'answer'"),
            ('{"question": 3, "answer": "#### 1"}', "AttributeError"),
            ("[" * 100_000, "not JSON"),
            ('{"question": "\\ud800", "answer": "#### 1"}', "lone surrogate"),
            ('{"question": "a", "answer": "#### 1", "weight": NaN}', "NaN is not a finite number"),
            ('{"question": "", "answer": "#### 1"}', None),
        ],
    )
    def test_what_is_no_row_is_named_by_file_and_line(self, tmp_path, line, fault):
        (tmp_path / "x.jsonl").write_text(f'{{"question": "q", "answer": "#### 7"}}\n\n{line}\n')
        if fault is None:
            assert load_mirrored("x", MATH["gsm8k_test"], tmp_path)[1]["dropped"] == 1
        else:
            with pytest.raises(BadInput, match=rf"x\.jsonl:3: .*{fault}"):
                load_mirrored("x", MATH["gsm8k_test"], tmp_path)

    def test_a_missing_file_says_what_it_may_be_called(self, tmp_path):
        with pytest.raises(BadInput, match=r"math/aime24\.jsonl: no such file, nor one that ends in \.parquet, \.json"):
            mirror_file("math/aime24", tmp_path)

    def test_the_format_makes_no_difference_to_rows_and_their_digest(self, tmp_path):
        rows = [row for _, row in read_rows(DATA / "math/olympiadbench.jsonl")]
        (tmp_path / "b.json").write_text(json.dumps(rows))
        (tmp_path / "c.parquet").write_bytes(parquet(rows))
        shutil.copy(DATA / "math/olympiadbench.jsonl", tmp_path / "a.jsonl")
        found = [load_mirrored(name, MATH["olympiadbench"], tmp_path) for name in ("a", "b", "c")]
        assert found[0][0] == found[1][0] == found[2][0]
        assert len({facts["rows_sha256"] for _, facts in found}) == 1

    def test_a_truncated_parquet_is_named(self, tmp_path):
        data = parquet([{"question": "q", "answer": "#### 7"}] * 500)
        (tmp_path / "x.parquet").write_bytes(data[: len(data) // 2])
        with pytest.raises(BadInput, match=r"x\.parquet: cannot be read as parquet after row 0"):
            load_mirrored("x", MATH["gsm8k_test"], tmp_path)

    def test_an_id_twice_and_no_usable_row_are_errors(self, tmp_path):
        row = {"id": "1", "question": "q", "answer": "1"}
        (tmp_path / "twice.json").write_text(json.dumps([row, row]))
        (tmp_path / "none.json").write_text("[]")
        with pytest.raises(BadInput, match=r"twice\.json: duplicate id '1'"):
            load_mirrored("twice", MATH["math500"], tmp_path)
        with pytest.raises(BadInput, match="none: holds no usable row"):
            load_mirrored("none", MATH["math500"], tmp_path)

    def test_nulls_and_order_make_no_difference_to_a_rows_bytes(self):
        assert canonical({"a": 1, "b": [{"c": None}]}) == canonical({"b": [{}], "a": 1, "d": None})
        assert canonical({"a": 1}) != canonical({"a": 2})


PARTS = [[Example(f"{name}{i}", "q", ("a",)) for i in range(size)] for name, size in (("a", 20), ("b", 500))]


class TestMixture:
    def test_each_part_has_as_many_as_the_smallest(self):
        mixed = [example.id for example in mixture(PARTS, python_stream(0, "mixture"))]
        assert len(mixed) == len(set(mixed)) == 40
        assert sum(id.startswith("a") for id in mixed) == 20

    def test_it_is_shuffled_and_depends_on_the_seed_alone(self):
        first, again, other = (mixture(PARTS, python_stream(seed, "mixture")) for seed in (0, 0, 1))
        assert first == again != other
        assert len({example.id[0] for example in first[:10]}) == 2


def test_catalogues_load_nothing_heavy():
    script = "import sys; import smoothgates.tasks.{0}.catalogue; print({1} & sys.modules.keys())"
    heavy = {"datasets", "huggingface_hub", "pyarrow", "numpy", "pandas", "torch"}
    for task in NAMES:
        code = script.format(task, heavy)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"
