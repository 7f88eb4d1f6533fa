"""Bounds on the integers of configs and specs. They are far above any real study: they catch typing errors that could
fill a disk.
"""

from typing import Annotated

from pydantic import Field

Rows = Annotated[int, Field(ge=1, le=10_000_000)]
"""Rows of a data set, or problems of a benchmark."""
Passages = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""Passages of a corpus. Wikipedia has 21 million."""
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
"""Tokens of a sequence or a micro-batch."""
Width = Annotated[int, Field(ge=1, le=1_000_000)]
"""Width of a layer, size of a vocabulary, or cells of an index."""
Layers = Annotated[int, Field(ge=1, le=1000)]
"""Layers of a policy, or heads of a layer."""
Updates = Annotated[int, Field(ge=1, le=10_000_000)]
"""Updates, rollouts, or passes over a rollout."""
UpdatesOrNone = Annotated[int, Field(ge=0, le=10_000_000)]
Samples = Annotated[int, Field(ge=1, le=100_000)]
"""Samples for each problem, prompts of a rollout, or the size of a batch of queries or hits."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""Seeds that fit into a column of 64-bit integers."""
