"""A clear message when memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from smoothgates.errors import BadInput
from smoothgates.specs.train import TrainSpec


@contextmanager
def explaining_out_of_memory(spec: TrainSpec) -> Iterator[None]:
    """Turn an out-of-memory error into BadInput that names the settings to lower: a retry would need as much memory."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        engine, sampler = spec.engine, spec.sampler
        size = f"micro-batches of {engine.tokens} tokens" if engine.tokens else "a whole minibatch at once"
        settings = ["engine.tokens"]
        if sampler.kind == "vllm":
            settings.append(f"sampler.memory (now {sampler.memory:g})")
        raise BadInput(
            f"engine.tokens: out of memory with {size}: lower {' or '.join(settings)} ({first_line(error)})"
        ) from None


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or else its type."""
    return next(iter(str(error).splitlines()), type(error).__name__)
