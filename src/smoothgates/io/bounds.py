"""Bounds on the integers of configs and specs. No real study comes near them; a typing error is then one line and not a
full disk.
"""

from typing import Annotated

from pydantic import Field

Rows = Annotated[int, Field(ge=1, le=10_000_000)]
"""Of a data set, or problems of a benchmark."""
Passages = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""Of a corpus: Wikipedia has 21 million."""
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
"""Of a sequence or a micro-batch."""
Width = Annotated[int, Field(ge=1, le=1_000_000)]
"""Of a layer or the vocabulary, or cells of an index."""
Layers = Annotated[int, Field(ge=1, le=1000)]
"""Of a policy, or heads of a layer."""
Updates = Annotated[int, Field(ge=1, le=10_000_000)]
"""Or rollouts, or passes over one."""
UpdatesOrNone = Annotated[int, Field(ge=0, le=10_000_000)]
Samples = Annotated[int, Field(ge=1, le=100_000)]
"""Of a problem, or prompts of a rollout, or what is answered or found at a time."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""What a column of results can hold."""
