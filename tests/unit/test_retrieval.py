"""Retrieval: both kinds rank by their formulas for any query, from complete and shared files."""

import gzip
import json
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rounding import FORWARD, ulps

from smoothgates.errors import BadInput
from smoothgates.io.files import digest
from smoothgates.retrieval.bm25 import words
from smoothgates.retrieval.dense import load_encoder
from smoothgates.retrieval.index import FOLDER, open_index
from smoothgates.retrieval.passages import Passage, Store, corpus_files, read_passages, render, write_store
from smoothgates.retrieval.spec import IndexSpec
from smoothgates.stages import index as stage
from smoothgates.tasks.toolqa.environment import ANSWER, INFORMATION, SEARCH

DATA = Path("../shared/data/toolqa")
ODD_QUERIES = ["", " ", "\0", "the of and", "zzzqqq xxyyzz", "\ud800", "?" * 100_000, "river " * 16_667, "x" * 100_000]
ODD_QUERIES += [" ".join(map(str, range(20_000))), "</search><answer>", "ÀÉÎ ٣ 日本"]
KINDS = ["bm25", "dense_flat", "dense_ivf"]


def spec_of(kind, corpus, encoder, **more):
    dense = {"encoder": str(encoder), "batch_size": 16} if kind != "bm25" else {}
    ivf = {"lists": 8, "probes": 8} if kind == "dense_ivf" else {}
    return IndexSpec(kind=kind, corpus=(str(corpus),), **{**dense, **ivf, **more})


def build(spec, folder):
    stage.run(spec.canonical(), folder / "manifest.json")
    return folder / "manifest.json"


def write_corpus(path, passages):
    path.write_text("".join(json.dumps({"id": p.id, "title": p.title, "text": p.text}) + "\n" for p in passages))
    return path


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A BERT of 8 random dimensions, with a vocabulary of letters."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789:\"'.,"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(tokens), initializer_range=1.0, **shape)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def passages():
    return list(read_passages([DATA / "corpus_rqa.jsonl"]))[:300]


@pytest.fixture(scope="module")
def corpus(passages, tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "passages.jsonl", passages)


@pytest.fixture(scope="module")
def manifests(corpus, encoder, tmp_path_factory):
    return {kind: build(spec_of(kind, corpus, encoder), tmp_path_factory.mktemp(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def indexes(manifests):
    return {kind: open_index(manifest) for kind, manifest in manifests.items()}


@pytest.fixture(scope="module")
def questions():
    rows = map(json.loads, (DATA / "popqa_triviaqa_retrieved.jsonl").read_text().splitlines())
    return [row["question"] for row in rows]


def test_bm25_ranks_by_the_formula(indexes, passages, questions):
    """Lucene's variant in plain Python: Kamphuis et al. 2020, table 1, without its constant factor k1 + 1."""
    counts = [Counter(words(f"{p.title} {p.text}")) for p in passages]
    mean = sum(c.total() for c in counts) / len(counts)

    def score(query, count):
        total = 0.0
        for word in set(words(query)):
            holding = sum(word in c for c in counts)
            idf = math.log(1 + (len(counts) - holding + 0.5) / (holding + 0.5))
            total += idf * count[word] / (count[word] + 1.5 * (1 - 0.75 + 0.75 * count.total() / mean))
        return total

    for query, found in zip(questions[:20], indexes["bm25"].search(questions[:20], 5), strict=True):
        scores = {passage: score(query, count) for passage, count in zip(passages, counts, strict=True)}
        best = sorted(scores.values(), reverse=True)[:5]
        assert [scores[passage] for passage in found] == pytest.approx(best, rel=1e-5)


def test_flat_dense_ranks_as_brute_force_and_ivf_that_probes_all_cells_too(indexes, passages, questions, encoder):
    encode = load_encoder(str(encoder), None, batch_size=7)
    stored = encode([f"passage: {p.contents}" for p in passages])
    asked = encode([f"query: {q}" for q in questions])
    assert np.linalg.norm(stored, axis=1) == pytest.approx(1, abs=ulps(FORWARD, 1))
    scores = asked @ stored.T
    place = {passage: row for row, passage in enumerate(passages)}
    for kind in ("dense_flat", "dense_ivf"):
        for row, found in enumerate(indexes[kind].search(questions, 5)):
            got = scores[row, [place[passage] for passage in found]]
            assert got == pytest.approx(np.sort(scores[row])[::-1][:5], abs=ulps(FORWARD, 1))


def test_vectors_are_the_mean_over_real_tokens_in_any_batch(encoder):
    from transformers import AutoModel, AutoTokenizer

    texts = ["query: a", "passage: " + "some longer text " * 30]
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder)
    for text, vector in zip(texts, load_encoder(str(encoder), None, batch_size=2)(texts), strict=True):
        tokens = tokenizer(text, max_length=256, truncation=True, return_tensors="pt")
        mean = model(**tokens).last_hidden_state[0].mean(0)
        assert vector == pytest.approx((mean / mean.norm()).detach().numpy(), abs=ulps(FORWARD, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_any_query_finds_a_bounded_list(kind, indexes, passages):
    for k in (0, 1, 3, len(passages), len(passages) + 1, 10**9):
        for query, found in zip(ODD_QUERIES, indexes[kind].search(ODD_QUERIES, k), strict=True):
            assert len(found) <= min(k, len(passages)), query[:20]
            assert len(set(found)) == len(found)
            assert set(found) <= set(passages)
    assert indexes[kind].search([], 3) == []


def test_bm25_finds_nothing_where_no_word_is_shared(indexes):
    assert indexes["bm25"].search(["", "the of and", "zzzqqq xxyyzz", "\ud800"], 3) == [[], [], [], []]


@given(st.lists(st.text(max_size=200), max_size=3))
def test_bm25_answers_any_text(indexes, queries):
    assert all(len(found) <= 3 for found in indexes["bm25"].search(queries, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_passages_are_ranked_in_their_order(kind, encoder, tmp_path):
    same = [Passage(str(i), "Title", "the same words") for i in range(50)]
    corpus = write_corpus(tmp_path / "corpus.jsonl", [Passage("x", "Other", "thing"), *same])
    alone = {} if kind == "bm25" else {"batch_size": 1}  # rounding may depend on the place in a batch
    index = open_index(build(spec_of(kind, corpus, encoder, **alone), tmp_path / "index"))
    found = index.search(["same words"] * 2, 51)
    assert found[0] == found[1]
    assert [p for p in found[0] if p in same] == same
    if kind == "bm25":
        assert index.search(["same"], 7) == [same[:7]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_corpus_gives_the_same_bytes(kind, manifests, corpus, encoder, tmp_path):
    again = build(spec_of(kind, corpus, encoder), tmp_path / "again")
    assert again.read_bytes() == manifests[kind].read_bytes()
    build(spec_of(kind, corpus, encoder), tmp_path / "again")
    assert {path.name for path in (tmp_path / "again").iterdir()} == {"manifest.json", "run.json", FOLDER}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_named_with_both_digests(kind, corpus, encoder, tmp_path):
    manifest = build(spec_of(kind, corpus, encoder), tmp_path)
    for record in json.loads(manifest.read_text())["files"]:
        path = tmp_path / FOLDER / record["name"]
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(BadInput) as error:
            open_index(manifest)
        assert all(part in str(error.value) for part in (record["name"], record["sha256"], digest(path)))
        path.unlink()
        with pytest.raises(BadInput, match=re.escape(record["name"])):
            open_index(manifest)
        path.write_bytes(whole)
    open_index(manifest)


def test_a_build_that_fails_leaves_nothing_new_behind(corpus, encoder, tmp_path):
    manifest = build(spec_of("bm25", corpus, encoder), tmp_path)
    before = {path: digest(path) for path in (tmp_path / FOLDER).iterdir()}
    broken = tmp_path / "broken.jsonl"
    broken.write_text(corpus.read_text() + '{"id": "1", "title": "cut')
    for kind in KINDS:
        with pytest.raises(BadInput, match=r"broken.jsonl: .* after row 300"):
            build(spec_of(kind, broken, encoder), tmp_path)
        with pytest.raises(BadInput):
            build(spec_of(kind, broken, encoder), tmp_path / "new")
    assert {path: digest(path) for path in (tmp_path / FOLDER).iterdir()} == before
    assert list((tmp_path / "new").iterdir()) == []
    open_index(manifest)


def test_every_shape_of_a_corpus_holds_the_same_passages(passages, tmp_path):
    rows = [{"id": p.id, "title": p.title, "text": p.text} for p in passages]
    dpr = [{"id": p.id, "contents": p.contents} for p in passages]
    write_corpus(tmp_path / "a.jsonl", passages)
    with gzip.open(tmp_path / "b.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in dpr)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    pq.write_table(pa.Table.from_pylist(dpr), tmp_path / "d.parquet")
    (tmp_path / "README.md").write_text("not a corpus")
    files = corpus_files([str(tmp_path)])
    assert [file.name for file in files] == ["a.jsonl", "b.jsonl.gz", "c.parquet", "d.parquet"]
    assert list(read_passages(files)) == passages * 4


def test_contents_are_title_and_text_or_text_alone(tmp_path):
    odd = [Passage("1", "T", ""), Passage("2", 'The "T"', "a\nb"), Passage("3", "", "x")]
    lines = [json.dumps({"id": p.id, "contents": p.contents}) for p in odd] + ['{"id": 4, "contents": "no title"}']
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    assert list(read_passages([tmp_path / "c.jsonl"])) == [*odd, Passage("4", "", "no title")]


def test_the_published_corpus_of_search_r1_is_read_unchanged():
    ours = list(read_passages([DATA / "corpus_searchr1_example.jsonl"]))
    published = list(read_passages([DATA / "orig" / "search-r1_example_corpus.jsonl"]))
    assert [(p.title, p.text) for p in published] == [(p.title, p.text) for p in ours]


@pytest.mark.parametrize(
    "line", ['{"id": "1"}', "[]", "7", '{"id": "1", "title": null, "text": "x"}', '{"contents": "\\ud800"}', "", "{"]
)
def test_a_row_without_a_passage_is_named(line, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"id": "0", "title": "t", "text": "x"}\n' + line + "\n")
    with pytest.raises(BadInput, match=r"bad.jsonl: .* after row 1"):
        list(read_passages([tmp_path / "bad.jsonl"]))


def test_a_truncated_corpus_is_named(tmp_path, passages):
    whole = gzip.compress(b"".join(json.dumps({"contents": p.contents}).encode() + b"\n" for p in passages))
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and so on")
    for name in ("cut.jsonl.gz", "cut.parquet"):
        with pytest.raises(BadInput, match=name):
            list(read_passages([tmp_path / name]))
    for missing in ("none.jsonl", "none.txt", "."):
        with pytest.raises(BadInput, match="expected a file"):
            corpus_files([str(tmp_path / "elsewhere" / missing)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_corpus_without_a_word_is_refused(kind, encoder, tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(BadInput, match="corpus: expected"):
        build(spec_of(kind, tmp_path / "empty.jsonl", encoder), tmp_path)


def test_an_encoder_must_be_pinned_and_in_safetensors(corpus, encoder, tmp_path):
    with pytest.raises(BadInput, match="is not a folder; expected a revision"):
        build(spec_of("dense_flat", corpus, "intfloat/e5-base-v2"), tmp_path)
    model = torch.nn.Linear(1, 1)
    (tmp_path / "pickled").mkdir()
    for file in encoder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / "pickled" / file.name).write_bytes(file.read_bytes())
    torch.save(model.state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(BadInput, match="cannot be loaded"):
        build(spec_of("dense_flat", corpus, tmp_path / "pickled"), tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "bm25", "encoder": "e"},
        {"kind": "bm25", "revision": "r"},
        {"kind": "dense_flat"},
        {"kind": "dense_flat", "encoder": "e", "probes": 3},
        {"kind": "dense_ivf", "encoder": "e", "lists": 3},
    ],
)
def test_a_spec_has_exactly_the_fields_of_its_kind(wrong):
    with pytest.raises(ValueError, match=r"kind \w+: expected|revision: expected"):
        IndexSpec(corpus=("c.jsonl",), **wrong)


def test_a_store_returns_the_passages_written_to_it(tmp_path, passages):
    odd = [*passages, Passage("", "", ""), Passage("\0", "日本", "a\nb\r\n\u2028")]
    assert list(write_store(tmp_path / "store.arrow", odd)) == odd
    store = Store(tmp_path / "store.arrow")
    assert [store[row] for row in range(len(store))] == odd


def test_passages_are_shown_as_search_r1_shows_them():
    published = (DATA / "orig" / "search-r1_case.txt").read_text()
    block = published.split("<information>")[2].split("</information>")[0]
    shown = re.findall(r'Doc \d\(Title: "(.*?)"\) (.*)', block)
    assert render([Passage("", title, text) for title, text in shown]) == block
    assert render([]) == ""


TAGS = [*SEARCH, *INFORMATION, *ANSWER, "<think>", "</think>", "<|im_end|>", "<|endoftext|>", "<eos>", "</s>"]


@given(st.lists(st.sampled_from([*TAGS, "<", ">", "/", "answer", "eos"]) | st.text(max_size=3)).map("".join))
def test_no_passage_puts_a_tag_into_the_conversation(text):
    for passage in (Passage("", "t", text), Passage("", text, "t")):
        shown = render([passage, passage])
        assert not any(tag in shown for tag in TAGS)
        assert f"{INFORMATION[0]}{shown}{INFORMATION[1]}".count(INFORMATION[1]) == 1


@pytest.fixture(scope="module")
def wikipedia(tmp_path_factory, encoder):
    """BM25 over all the real passages."""
    corpus = [str(path) for path in sorted(DATA.iterdir()) if path.name.startswith("corpus_")]
    spec = IndexSpec(kind="bm25", corpus=tuple(corpus))
    return build(spec, tmp_path_factory.mktemp("wikipedia"))


def test_a_real_passage_is_found_by_its_words(wikipedia):
    index = open_index(wikipedia)
    store = Store(wikipedia.parent / FOLDER / "passages.arrow")
    assert len(store) == json.loads(wikipedia.read_text())["passages"] == 13_578
    asked = [store[row] for row in range(0, len(store), 41)]
    found = index.search([passage.contents for passage in asked], 3)
    same = sum(passage.text in {other.text for other in best} for passage, best in zip(asked, found, strict=True))
    assert same > 0.99 * len(asked)


# Growth of a process's private memory (anonymous: not backed by a file) when it searches an index. It has searched a
# small one before, so that all imports are loaded.
OWN_MEMORY = """
import sys
from pathlib import Path
import numpy as np
from smoothgates.retrieval.bm25 import Bm25Index
from smoothgates.retrieval.dense import DenseIndex

def search(folder):
    if (folder / "vectors.faiss").exists():
        draw = np.random.default_rng(0)
        encode = lambda texts: draw.standard_normal((len(texts), 64), dtype=np.float32)
        index = DenseIndex(folder, encode, int(sys.argv[3]) or None)
    else:
        index = Bm25Index(folder)
    for word in range(100):
        index.search([f"the city on river {word} of a state"], 3)
    return index, int(Path("/proc/self/smaps_rollup").read_text().split("Anonymous:")[1].split()[0])

small, before = search(Path(sys.argv[1]))
large, after = search(Path(sys.argv[2]))
print(after - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells how much memory no file stands behind")
@pytest.mark.parametrize("kind", KINDS)
def test_the_private_memory_of_a_process_does_not_grow_with_the_index(kind, manifests, wikipedia, tmp_path):
    folders = [manifests["bm25"].parent / FOLDER, wikipedia.parent / FOLDER]
    if kind != "bm25":
        import faiss

        folders = [tmp_path / "small", tmp_path / "large"]
        for folder, count in zip(folders, (500, 50_000), strict=True):
            folder.mkdir()
            assert sum(
                1 for _ in write_store(folder / "passages.arrow", [Passage("", "", str(i)) for i in range(count)])
            )
            index = faiss.IndexFlatIP(64)
            if kind == "dense_ivf":
                index = faiss.IndexIVFFlat(index, 64, 8, faiss.METRIC_INNER_PRODUCT)
            vectors = np.random.default_rng(0).standard_normal((count, 64), dtype=np.float32)
            index.train(vectors[:500])
            index.add(vectors)
            faiss.write_index(index, str(folder / "vectors.faiss"))
    size = sum(path.stat().st_size for path in folders[1].iterdir()) / 1024
    done = subprocess.run(
        [sys.executable, "-c", OWN_MEMORY, *map(str, folders), "8" if kind == "dense_ivf" else "0"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert size > 12_000
    assert int(done.stdout) < 0.03 * size
