"""K6: what a training process costs before it trains: CPU seconds of imports, and of a run that has nothing to do."""

import sys
from collections.abc import Iterator

from .harness import Row, run_process, summary

COMMANDS = {
    "import torch": "import torch",
    "imports of a training": "import smoothgates.cli, smoothgates.stages.train, smoothgates.train.run.attempt",
    "imports of transformers' Qwen2 and torch.optim": (
        "import torch; from transformers import Qwen2ForCausalLM; torch.optim.AdamW([torch.ones(1)])"
    ),
}


def measure(repeats: int = 5) -> Iterator[Row]:
    """Each in a process of its own, in turns."""
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for i in range(repeats + 1):
        for name, code in COMMANDS.items():
            seconds, _, _ = run_process([sys.executable, "-c", code])
            if i:
                found[name].append(seconds)
    torch, ours, theirs = found.values()
    first, second, third = COMMANDS
    yield summary(torch, part="K6", what=first, unit="s")
    yield summary(ours, torch, part="K6", what=second, unit="s", against=first)
    yield summary(theirs, torch, part="K6", what=third, unit="s", against=first)
