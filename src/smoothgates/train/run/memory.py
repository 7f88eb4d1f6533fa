"""What to do when memory is not enough."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from smoothgates.errors import BadInput
from smoothgates.specs.train import TrainSpec


@contextmanager
def naming_what_to_lower(spec: TrainSpec) -> Iterator[None]:
    """Out of memory becomes BadInput: the same run would need as much again, and each attempt cost GPU-hours."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        engine, sampler = spec.engine, spec.sampler
        held = f"micro-batches of {engine.tokens} tokens" if engine.tokens else "a whole minibatch at once"
        beside = f", with sampler.memory at {sampler.memory:g}" if sampler.kind == "vllm" else ""
        raise BadInput(f"engine.tokens: out of memory with {held}{beside}: lower them ({first_line(error)})") from None


def first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
