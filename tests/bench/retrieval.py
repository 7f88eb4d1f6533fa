"""K5: BM25 over passages, beside bm25s called by hand: building, searching, and the memory of four searchers.

The passages are those of public data or, where these are missing, generated ones.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

from smoothgates.retrieval.index import open_index
from smoothgates.retrieval.spec import IndexSpec
from smoothgates.stages import index as stage

from .harness import Row, alternate, clock, summary

DATA = Path("../shared/data/toolqa")
QUESTIONS = ("hotpotqa_distractor_train100.jsonl", "musique_train100.jsonl", "r1searcher_hotpotqa_500.jsonl")
TOP = 3
PROCESSES = 4
SEARCHER = """
import sys
from pathlib import Path
from smoothgates.retrieval.index import open_index

index = open_index(Path(sys.argv[1]))
index.search(Path(sys.argv[2]).read_text(encoding="utf-8").splitlines(), 3)
print("ready", flush=True)
sys.stdin.read()
"""


def measure(folder: Path = DATA, passages: int = 14_000, repeats: int = 5) -> Iterator[Row]:
    """`passages`: how many to generate if the folder has none."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        corpus, queries = public(folder) if folder.is_dir() else generated(place, passages)
        manifest = place / "manifest.json"
        began = time.process_time()
        stage.run(IndexSpec(kind="bm25", corpus=corpus).canonical(), manifest)
        built = json.loads(manifest.read_text())["passages"] / (time.process_time() - began)
        rows = [json.loads(line) for file in corpus for line in Path(file).read_text(encoding="utf-8").splitlines()]
        by_hand, theirs = bm25s_by_hand([f"{row['title']} {row['text']}" for row in rows])
        source = "" if folder.is_dir() else "generated "
        fields = {"part": "K5", "against": "bm25s by hand"}
        what = f"index {len(rows):,} {source}passages, with their texts"
        yield summary([built], [by_hand], what=what, unit="passages/s", **fields)

        index = open_index(manifest)
        searches = {"ours": lambda: index.search(queries, TOP), "theirs": lambda: theirs(queries)}
        times = alternate(searches, repeats, clock())
        speeds = {name: [len(queries) / each for each in seconds] for name, seconds in times.items()}
        what = f"search, {len(queries):,} {source}questions, best {TOP}"
        yield summary(speeds["ours"], speeds["theirs"], what=what, unit="1/s", **fields)

        asked = place / "queries.txt"
        asked.write_text("\n".join(" ".join(query.split()) for query in queries), encoding="utf-8")
        what = f"memory of its own of each of {PROCESSES} processes that search"
        yield summary(own_memory(manifest, asked), part="K5", what=what, unit="MiB")


def bm25s_by_hand(texts: list[str]):
    """Passages that bm25s indexes in a CPU second, and its search."""
    import bm25s

    began = time.process_time()
    scorer = bm25s.BM25()
    scorer.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    speed = len(texts) / (time.process_time() - began)

    def search(queries: list[str]) -> None:
        words = bm25s.tokenize(queries, stopwords="en", show_progress=False)
        scorer.retrieve(words, k=TOP, show_progress=False)

    return speed, search


def public(folder: Path) -> tuple[tuple[str, ...], list[str]]:
    """Files of passages, and questions, of public data."""
    rows = [json.loads(line) for name in QUESTIONS for line in (folder / name).read_text("utf-8").splitlines()]
    return tuple(map(str, sorted(folder.glob("corpus_*.jsonl")))), [row["question"] for row in rows]


def generated(folder: Path, count: int) -> tuple[tuple[str, ...], list[str]]:
    """The same, of words without meaning that are as rare as the rank of their number, as words of a language are."""
    rng = Random(0)
    words = [f"w{i}" for i in range(50_000)]
    weights = [1 / (i + 1) for i in range(len(words))]
    texts = [" ".join(rng.choices(words, weights, k=80)) for _ in range(count)]
    path = folder / "corpus.jsonl"
    rows = [{"id": str(i), "title": f"title {i}", "text": text} for i, text in enumerate(texts)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return (str(path),), [" ".join(rng.sample(text.split(), 12)) for text in rng.choices(texts, k=min(count, 700))]


def own_memory(manifest: Path, queries: Path) -> list[float]:
    """MiB that each of some processes has for itself, when all have searched the index; it is mapped, once for all."""
    command = [sys.executable, "-c", SEARCHER, str(manifest), str(queries)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        running = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(PROCESSES)]
        for process in running:
            process.stdout.readline()
        found = [anonymous(process.pid) for process in running]
        for process in running:
            process.stdin.close()
    return found


def anonymous(pid: int) -> float:
    """Memory of a process that maps no file, in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} ended early")
