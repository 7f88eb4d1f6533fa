"""Build an index from a corpus, and open the index that a manifest names."""

from itertools import islice
from pathlib import Path
from typing import Protocol

from smoothgates.io.files import check_file, file_entry, replacing_folder
from smoothgates.io.manifests.index import IndexManifest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.progress import track
from smoothgates.io.records import parse
from smoothgates.retrieval.passages import Passage, corpus_files, read_passages
from smoothgates.retrieval.spec import IndexSpec

FOLDER = "index"
"""Beside the manifest."""


class Index(Protocol):
    """Passages that can be searched."""

    def search(self, queries: list[str], k: int) -> list[list[Passage]]:
        """At most k passages for each query, best first. Deterministic, and defined for any text."""


def build(spec: IndexSpec, folder: Path) -> dict:
    """Write an index into `folder`, complete or not at all. Returns the manifest's entries about it.

    Raises BadInput if a file of the corpus is missing or cannot be read.
    """
    files = corpus_files(spec.corpus)
    passages = islice(read_passages(track(files, "read")), spec.first)
    with replacing_folder(folder) as unfinished:
        if spec.kind == "bm25":
            from smoothgates.retrieval.bm25 import build_bm25

            count = build_bm25(passages, unfinished)
        else:
            from smoothgates.retrieval.dense import build_dense

            count = build_dense(passages, unfinished, spec)
    return {
        "corpus": [file_entry(file, file.parent) for file in files],
        "passages": count,
        "files": [file_entry(file, folder) for file in sorted(folder.iterdir())],
    }


def open_index(manifest: Path) -> Index:
    """The index that a manifest names. Raises BadInput if one of its files is missing or damaged."""
    data = read_manifest(manifest, IndexManifest)
    spec = parse(IndexSpec, data["spec"], str(manifest))
    folder = manifest.parent / FOLDER
    for record in data["files"]:
        check_file(record, folder)
    if spec.kind == "bm25":
        from smoothgates.retrieval.bm25 import Bm25Index

        return Bm25Index(folder)
    from smoothgates.retrieval.dense import DenseIndex, load_encoder

    return DenseIndex(folder, load_encoder(spec.encoder, spec.revision, spec.batch_size), spec.probes)
