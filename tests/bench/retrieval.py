"""BM25 over the real passages: build time, queries per second, recall@3 of gold passages, memory of 1 and 4 processes.

    OMP_NUM_THREADS=1 python tests/bench/retrieval.py

Run from the checkout's root, beside the public data.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from smoothgates.retrieval.index import open_index
from smoothgates.retrieval.spec import IndexSpec
from smoothgates.stages import index as stage

DATA = Path("../shared/data/toolqa")
GOLD = ("hotpotqa_distractor_train100.jsonl", "musique_train100.jsonl")
TOP = 3

SEARCHER = """
import sys
from pathlib import Path
from smoothgates.retrieval.index import open_index

index = open_index(Path(sys.argv[1]))
index.search(Path(sys.argv[2]).read_text().splitlines(), 3)
print("ready", flush=True)
sys.stdin.read()
"""


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def memory(pid: int) -> dict[str, float]:
    """Private memory of a process, and its proportional share of mapped memory, in MiB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    kib = {words[0].rstrip(":"): int(words[1]) for words in lines}
    return {"anonymous": kib["Anonymous"] / 1024, "pss": kib["Pss"] / 1024, "rss": kib["Rss"] / 1024}


def memory_of(processes: int, manifest: Path, queries: Path) -> list[dict[str, float]]:
    """Memory of each of some processes that have the index open at once, after they searched it."""
    command = [sys.executable, "-c", SEARCHER, str(manifest), str(queries)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for process in running:
        process.stdout.readline()
    found = [memory(process.pid) for process in running]
    for process in running:
        process.communicate()
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        corpus = tuple(str(path) for path in sorted(DATA.glob("corpus_*.jsonl")))
        manifest = Path(scratch) / "manifest.json"
        began = time.perf_counter()
        stage.run(IndexSpec(kind="bm25", corpus=corpus).canonical(), manifest)
        facts = json.loads(manifest.read_text())
        size = sum(record["size"] for record in facts["files"]) / 2**20
        print(f"build: {facts['passages']} passages in {time.perf_counter() - began:.1f} s, {size:.1f} MiB on disk")

        index = open_index(manifest)
        for name in GOLD:
            asked = rows(name)
            found = index.search([row["question"] for row in asked], TOP)
            share = [
                len(set(row["supporting_titles"]) & {passage.title for passage in best})
                / len(set(row["supporting_titles"]))
                for row, best in zip(asked, found, strict=True)
            ]
            reachable = statistics.mean(min(1, TOP / len(set(row["supporting_titles"]))) for row in asked)
            print(
                f"recall@{TOP} of gold titles, {name}: {statistics.mean(share):.3f} (at most {reachable:.3f}); "
                f"all of them for {statistics.mean(part == 1 for part in share):.2f} of the questions"
            )

        queries = [row["question"] for name in (*GOLD, "r1searcher_hotpotqa_500.jsonl") for row in rows(name)]
        speeds = []
        for _ in range(5):
            began = time.perf_counter()
            index.search(queries, TOP)
            speeds.append(len(queries) / (time.perf_counter() - began))
        print(f"search: {statistics.median(speeds):.0f} queries/s (median of 5 x {len(queries)}, top {TOP})")

        asked = Path(scratch) / "queries.txt"
        asked.write_text("\n".join(" ".join(query.split()) for query in queries))
        for processes in (1, 4):
            each = memory_of(processes, manifest, asked)
            shown = ", ".join(f"{key} {statistics.mean(m[key] for m in each):.1f}" for key in each[0])
            print(f"memory of {processes} process(es), MiB each: {shown}")


if __name__ == "__main__":
    main()
