"""Dense retrieval as in Search-R1 and VerlTool: E5 vectors, inner product by FAISS, flat or IVF, memory-mapped.

E5 (2212.03533): "query: " or "passage: " before the text, mean of the last hidden states over the tokens, L2
normalisation. Texts are cut at 256 tokens, as in Search-R1. The tests use a tiny random BERT; E5 itself,
intfloat/e5-base-v2, was not run.

The vectors of n passages take 4·n·d bytes on disk, and as much memory while FAISS builds its index: 65 GB for the 21
million passages of Wikipedia 2018 with d = 768. Searching a flat index reads all of them, so it should fit in the page
cache; an IVF index reads probes / lists of them.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from smoothgates.errors import BadInput
from smoothgates.io.progress import track
from smoothgates.retrieval.passages import Passage, Store, write_store
from smoothgates.retrieval.spec import IndexSpec

if TYPE_CHECKING:
    import numpy as np

Encode = Callable[[list[str]], "np.ndarray"]
"""Texts, with their prefix, to unit vectors: float32 of shape (texts, d)."""

PASSAGES, VECTORS = "passages.arrow", "vectors.faiss"
MAX_TOKENS = 256
POINTS_PER_LIST = 256
"""Training vectors for each cell of an IVF index: the most that FAISS uses."""
BLOCK = 65_536
"""Vectors in one call of FAISS."""


def build_dense(passages: Iterable[Passage], folder: Path, spec: IndexSpec) -> int:
    """Write an index of the passages. Returns the number of passages.

    Raises BadInput if there are fewer than the index has cells, or if the encoder cannot be loaded.
    """
    import faiss
    import numpy as np

    encode = load_encoder(spec.encoder, spec.revision, spec.batch_size)
    count = sum(1 for _ in write_store(folder / PASSAGES, passages))
    if count < (spec.lists or 1):
        raise BadInput(f"corpus: expected at least {spec.lists or 1} passages, got {count}")
    scratch = folder / "vectors.npy"
    vectors = _encode_all(Store(folder / PASSAGES), encode, scratch, spec.batch_size)
    index = faiss.IndexFlatIP(vectors.shape[1])
    if spec.kind == "dense_ivf":
        index = faiss.IndexIVFFlat(index, vectors.shape[1], spec.lists, faiss.METRIC_INNER_PRODUCT)
        sample = np.linspace(0, count - 1, min(count, POINTS_PER_LIST * spec.lists)).astype(int)
        index.train(vectors[sample])
    for start in range(0, count, BLOCK):
        index.add(vectors[start : start + BLOCK])
    faiss.write_index(index, str(folder / VECTORS))
    scratch.unlink()
    return count


class DenseIndex:
    """An index that `build_dense` wrote; `probes` if it is an IVF index."""

    def __init__(self, folder: Path, encode: Encode, probes: int | None):
        import faiss

        self._store = Store(folder / PASSAGES)
        self._encode = encode
        # FAISS has two ways to map a file; each loads the other kind of index, or a part of it, into memory.
        flags = faiss.IO_FLAG_MMAP if probes else faiss.IO_FLAG_MMAP_IFC
        self._vectors = faiss.read_index(str(folder / VECTORS), flags)
        if probes:
            self._vectors.nprobe = probes

    def search(self, queries: list[str], k: int) -> list[list[Passage]]:
        """The k passages with the largest inner products, largest first; ties in order. IVF may find fewer."""
        k = min(k, len(self._store))
        if not queries or k < 1:
            return [[] for _ in queries]
        scores, rows = self._vectors.search(self._encode([f"query: {query}" for query in queries]), k)
        ranked = [sorted(zip((-s).tolist(), r.tolist(), strict=True)) for s, r in zip(scores, rows, strict=True)]
        return [[self._store[row] for _, row in found if row >= 0] for found in ranked]


def load_encoder(name: str, revision: str | None, batch_size: int) -> Encode:
    """The encoder in a folder, or on the hub at a pinned revision. Raises BadInput if it cannot be loaded.

    Its weights must be safetensors.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    if not Path(name).is_dir() and not revision:
        raise BadInput(f"encoder: {name} is not a folder; expected a revision, the commit of the model on the hub")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        model = AutoModel.from_pretrained(
            name, revision=revision, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise BadInput(f"encoder: {name}: cannot be loaded ({' '.join(str(error).split())})") from None
    model.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    @torch.inference_mode()
    def vectors(texts: list[str]) -> "np.ndarray":
        # Tokenizers refuse lone surrogates, which undecodable bytes of a policy may become.
        clean = [text.encode(errors="replace").decode() for text in texts]
        tokens = tokenizer(clean, max_length=MAX_TOKENS, truncation=True, padding=True, return_tensors="pt")
        tokens = tokens.to(model.device)
        mask = tokens["attention_mask"].unsqueeze(-1).float()
        mean = (model(**tokens).last_hidden_state * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1).cpu().numpy()

    def encode(texts: list[str]) -> "np.ndarray":
        import numpy as np

        return np.concatenate([vectors(batch) for batch in _batches(texts, batch_size)])

    return encode


def _encode_all(store: Store, encode: Encode, scratch: Path, batch_size: int) -> "np.ndarray":
    """The vectors of all passages (passages, d), in a memory-mapped file."""
    import numpy as np

    texts = (f"passage: {store[row].contents}" for row in track(range(len(store)), "encode"))
    vectors, start = None, 0
    for batch in _batches(texts, batch_size):
        block = encode(batch)
        if vectors is None:
            shape = (len(store), block.shape[1])
            vectors = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float32, shape=shape)
        vectors[start : start + len(batch)] = block
        start += len(batch)
    return vectors


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(texts)
    while batch := list(islice(rest, size)):
        yield batch
