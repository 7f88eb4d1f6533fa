"""The spec of `index`: an index of passages."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from smoothgates.io.bounds import Passages, Samples, Width
from smoothgates.io.records import Record


class IndexSpec(Record):
    """An index of passages."""

    kind: Literal["bm25", "dense_flat", "dense_ivf"]
    corpus: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files with rows {id, title, text} or {id, contents}, or folders of them: JSONL, also gzipped, or parquet."""
    first: Passages | None = None
    """For rehearsals: index only this many passages, the first of the corpus."""
    encoder: str | None = None
    """For dense indexes: a folder, or the name of a model on the hub, such as intfloat/e5-base-v2."""
    revision: str | None = None
    """Commit of an encoder on the hub."""
    lists: Width | None = None
    """For dense_ivf: number of cells that hold the vectors."""
    probes: Width | None = None
    """For dense_ivf: cells that a search reads."""
    batch_size: Samples = 64
    """Passages or queries in one batch of the encoder."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "IndexSpec":
        needed = {"bm25": set(), "dense_flat": {"encoder"}, "dense_ivf": {"encoder", "lists", "probes"}}[self.kind]
        given = {key for key in ("encoder", "lists", "probes") if getattr(self, key) is not None}
        if needed != given:
            raise ValueError(f"kind {self.kind}: expected {sorted(needed) or 'no encoder'}, got {sorted(given)}")
        if self.revision and not self.encoder:
            raise ValueError("revision: expected with an encoder only")
        return self
