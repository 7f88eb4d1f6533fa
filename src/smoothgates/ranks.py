"""The processes that train one policy together. Alone, all of this costs nothing, not even torch's import."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from smoothgates.errors import BadInput, TryAgain

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Ranks:
    """This process among `size` ones; every method is to be called by all of them."""

    def __init__(self) -> None:
        """Raises what torch raises if there are others and they are not met; `launch` has told where."""
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.group = None
        if self.size > 1:
            import torch.distributed as dist

            if not dist.is_initialized():
                begin_group()
            self.group = dist.new_group(backend="gloo")

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def share(self, items: list[T]) -> list[T]:
        """This rank's part of a list whose length the ranks divide: neighbours stay together."""
        part = len(items) // self.size
        return items[self.rank * part : (self.rank + 1) * part]

    def gather(self, item: T) -> list[T]:
        """Everyone's, in the order of ranks. Plain objects and tensors of main memory."""
        if self.size == 1:
            return [item]
        import torch.distributed as dist

        found: list[T] = [item] * self.size
        dist.all_gather_object(found, item, group=self.group)
        return found

    def first(self, item: T) -> T:
        """Rank 0's."""
        return self.gather(item if self.leads else None)[0]

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """What each does by itself in here, no method of this class among it, succeeds or fails for all.

        Every rank leaves when all are done. Raises the first one's BadInput or TryAgain in all of them.
        """
        failed = None
        try:
            yield
        except (BadInput, TryAgain) as error:
            if self.size == 1:
                raise
            failed = error
        if found := next(filter(None, self.gather(failed)), None):
            raise found

    @contextmanager
    def noticing_losses(self) -> Iterator[None]:
        """Where torch finds in here that another rank is gone, raise TryAgain: why it went, that one has told."""
        if self.size == 1:
            yield
            return
        import torch.distributed as dist

        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, dist.DistError) and "gloo/transport" not in str(error):
                raise
            raise TryAgain(f"rank {self.rank} has lost another one: {str(error).splitlines()[0]}") from None

    def own(self, generator: "torch.Generator") -> "torch.Generator":
        """A random stream for this rank, from one that all ranks share and that moves on in all of them alike."""
        if self.size == 1:
            return generator
        import torch

        seed = int(torch.randint(2**62, (), generator=generator))
        return torch.Generator().manual_seed(seed + self.rank)


def begin_group(**place) -> None:
    """Start torch's process group, of this process alone or as `place` says, and see to its end.

    Left to the interpreter's end it has threads that abort the process, one in twenty.
    """
    import torch
    import torch.distributed as dist

    dist.init_process_group("cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo", **place)
    atexit.register(dist.destroy_process_group)
