"""An index: built from a corpus, named by a manifest, opened where a policy searches."""

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
        """For each query at most k passages, best first: always the same, and whatever the query holds."""


def build(spec: IndexSpec, folder: Path) -> dict:
    """Write an index into `folder`, whole or not at all; returns what its manifest says of it."""
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
    """The index that a manifest names, each of its files verified first: BadInput names a damaged one."""
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
