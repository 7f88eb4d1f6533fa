"""Files and folders are complete or absent, whatever happens while they are written."""

import subprocess
import sys
from contextlib import suppress

import pyarrow as pa
import pytest

from smoothgates.io.files import flushed, link_or_copy, parquet_column, replacing, replacing_folder, write_atomically


def test_a_file_is_replaced_only_when_all_of_it_is_written(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with suppress(RuntimeError), replacing(path) as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_only_when_all_of_it_is_written(tmp_path):
    path = tmp_path / "deep/folder"
    path.mkdir(parents=True)
    (path / "old").touch()
    with suppress(RuntimeError), replacing_folder(path) as unfinished:
        (unfinished / "new").touch()
        raise RuntimeError
    assert [each.name for each in path.iterdir()] == ["old"]
    with replacing_folder(path) as unfinished:
        (unfinished / "new").touch()
    assert [each.name for each in path.iterdir()] == ["new"]
    assert list(path.parent.iterdir()) == [path]


def test_bytes_are_on_disk_before_a_file_has_its_name(tmp_path, monkeypatch):
    """A rename that reaches the disk before the bytes leaves an empty file after a power cut."""
    path, order = tmp_path / "file", []
    monkeypatch.setattr("os.fsync", lambda _: order.append(("flushed", path.exists())))
    write_atomically(path, b"x")
    assert order == [("flushed", False)]
    with flushed(tmp_path / "other") as file:
        file.write(b"x")
    assert len(order) == 2


def test_a_second_name_works_across_disks(tmp_path, monkeypatch):
    (tmp_path / "source").write_bytes(b"bytes")
    link_or_copy(tmp_path / "source", tmp_path / "link")
    assert (tmp_path / "link").samefile(tmp_path / "source")

    def other_disk(*_):
        raise OSError

    monkeypatch.setattr("os.link", other_disk)
    link_or_copy(tmp_path / "source", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"bytes"
    assert not (tmp_path / "copy").samefile(tmp_path / "source")


COLUMNS = [
    [1.0, 2.5],
    [1, -2],
    [1, 2.5],
    [1.0, None],
    ["a", "\u00e4", ""],
    ["a", None],
    [None, None],
    [True, False],
    [["a"], [], ["b", "c"]],
    [[], []],
    [{"a": 1.0, "b": "x"}, {"b": None, "a": 2.0}],
    [{"a": 1.0}, {"b": 2.0}],
    [{}, {}],
]


@pytest.mark.parametrize("values", COLUMNS, ids=str)
def test_a_column_is_the_array_that_pyarrow_makes_of_its_values(values):
    found, expected = parquet_column(values), pa.array(values)
    assert found.type == expected.type
    assert found.equals(expected)


def test_columns_of_numbers_and_texts_are_made_without_pandas():
    made = "[parquet_column(v) for v in ([1.0], [1], ['a', None], [['a'], []], [{'a': 1.0, 'b': 'x'}])]"
    code = f"import sys; from smoothgates.io.files import parquet_column; {made}; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
