"""K6: what a training process costs before it trains: CPU seconds of imports, and of a run that has nothing to do."""

import sys
from collections.abc import Iterator

from .harness import Row, cpu_seconds, summary

COMMANDS = {
    "import torch": "import torch",
    "imports of a training": "import smoothgates.cli, smoothgates.stages.train, smoothgates.train.run.attempt",
    "imports of transformers' Qwen2 and torch.optim": (
        "import torch; from transformers import Qwen2ForCausalLM; torch.optim.AdamW([torch.ones(1)])"
    ),
}


def measure(repeats: int = 3) -> Iterator[Row]:
    """Each in a process of its own, in turns; all beside the first."""
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for i in range(repeats + 1):
        for name, code in COMMANDS.items():
            seconds = cpu_seconds([sys.executable, "-c", code])
            if i:  # the first reads files that are not in memory yet
                found[name].append(seconds)
    first, *others = COMMANDS
    yield summary(found[first], part="K6", what=first, unit="s")
    for name in others:
        yield summary(found[name], found[first], part="K6", what=name, unit="s", against=first)
