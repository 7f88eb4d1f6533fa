"""What the index stage is told."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from smoothgates.io.bounds import Passages, Samples, Width
from smoothgates.io.records import Record


class IndexSpec(Record):
    """An index of passages."""

    kind: Literal["bm25", "dense_flat", "dense_ivf"]
    corpus: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files (JSONL, gzipped or not, or parquet) with rows {id, title, text} or {id, contents}, or folders of such."""
    first: Passages | None = None
    """Only so many passages, the corpus's first: for rehearsals."""
    encoder: str | None = None
    """Of the dense kinds: a folder, or the name of a model on the hub, such as intfloat/e5-base-v2."""
    revision: str | None = None
    """Commit of an encoder on the hub."""
    lists: Width | None = None
    """Of dense_ivf: cells that the vectors are divided into."""
    probes: Width | None = None
    """Of dense_ivf: cells that a search looks into."""
    batch_size: Samples = 64
    """Passages, or queries, that the encoder reads at once."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "IndexSpec":
        needed = {"bm25": set(), "dense_flat": {"encoder"}, "dense_ivf": {"encoder", "lists", "probes"}}[self.kind]
        given = {key for key in ("encoder", "lists", "probes") if getattr(self, key) is not None}
        if needed != given:
            raise ValueError(f"kind {self.kind} goes with {sorted(needed) or 'no encoder'}, got {sorted(given)}")
        if self.revision and not self.encoder:
            raise ValueError("revision is that of an encoder, and there is none")
        return self
