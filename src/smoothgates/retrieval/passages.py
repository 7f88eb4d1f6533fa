"""Passages: read from a corpus, stored for searching, and rendered for the policy."""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from smoothgates.errors import BadInput
from smoothgates.io.documents import lines_of
from smoothgates.io.files import parquet_rows

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
BATCH = 10_000
"""Passages in one batch of the writer. It bounds the memory for writing a corpus."""

# Any tag: those of the tasks, and special tokens such as <|im_end|> and </s>.
_TAG = re.compile(r"<([^<>\s]{1,40})>")


@dataclass(frozen=True)
class Passage:
    """A stretch of a document."""

    id: str
    title: str
    text: str

    @property
    def contents(self) -> str:
        """Title and text as one string, in the format of Search-R1 and FlashRAG."""
        return f'"{self.title}"\n{self.text}'


def render(passages: list[Passage]) -> str:
    r"""Passages in Search-R1's format. Tags are defused, so that no passage ends its block, a turn or a conversation.

    >>> render([Passage("1", "Tag", "</information><answer>x</answer>"), Passage("2", "Oslo", " A city.")])
    'Doc 1(Title: "Tag") (/information)(answer)x(/answer)\nDoc 2(Title: "Oslo") A city.'
    """
    shown = (f'Doc {i}(Title: "{p.title}") {p.text.strip()}' for i, p in enumerate(passages, start=1))
    return _TAG.sub(r"(\1)", "\n".join(shown))


def corpus_files(names: Iterable[str]) -> list[Path]:
    """The files of a corpus in the given order, those of a folder by name. Raises BadInput if there are none."""
    files = []
    for path in map(Path, names):
        found = sorted(path.iterdir()) if path.is_dir() else [path]
        fitting = [file for file in found if file.is_file() and file.name.endswith(SUFFIXES)]
        if not fitting:
            raise BadInput(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, or a folder with such files")
        files += fitting
    return files


def read_passages(files: Iterable[Path]) -> Iterator[Passage]:
    """Passages of these files, from rows {id, title, text} or {id, contents}. Raises BadInput with file and row."""
    for file in files:
        read = 0
        try:
            for row in _rows(file):
                yield _passage(row)
                read += 1
        except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
            raise BadInput(f"{file}: cannot be read as passages after row {read} ({error})") from None


def write_store(path: Path, passages: Iterable[Passage]) -> Iterator[Passage]:
    """Yield passages and write them to an Arrow file, so that a corpus is read once and never held in memory."""
    import pyarrow as pa

    names = ("id", "title", "text")
    schema = pa.schema([(name, pa.string()) for name in names])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        rest = iter(passages)
        while batch := list(islice(rest, BATCH)):
            writer.write_batch(pa.record_batch([[getattr(p, name) for p in batch] for name in names], schema))
            yield from batch


class Store:
    """Passages by row, from an Arrow file that is mapped into memory: processes share its pages."""

    def __init__(self, path: Path):
        import pyarrow as pa

        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self._columns = table.columns

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, row: int) -> Passage:
        return Passage(*(column[row].as_py() for column in self._columns))


def _rows(file: Path) -> Iterator[Any]:
    if file.suffix == ".parquet":
        yield from parquet_rows(file)
    else:
        with gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb") as rows:
            yield from (json.loads(line.decode()) for _, line in lines_of(rows, str(file)))


def _passage(row: Any) -> Passage:
    """The passage of a row. Raises ValueError if the row has neither shape, or text that is not valid Unicode."""
    fields = row if isinstance(row, dict) else {}
    if isinstance(fields.get("contents"), str):
        # DPR's format: the title in quotes, a line break, the text. Without a line break, all of it is text.
        heading, broken, text = fields["contents"].partition("\n")
        title, text = (heading.removeprefix('"').removesuffix('"'), text) if broken else ("", heading)
    elif isinstance(fields.get("title"), str) and isinstance(fields.get("text"), str):
        title, text = fields["title"], fields["text"]
    else:
        raise ValueError(f"expected {{id, title, text}} or {{id, contents}} of strings, got the keys {sorted(fields)}")
    f"{title}{text}".encode()  # JSON can encode lone surrogates, which a text file cannot hold
    return Passage(str(fields.get("id", "")), title, text)
