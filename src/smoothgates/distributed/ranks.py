"""The processes that train one policy together. Alone, all of this costs nothing, not even torch's import.

`launch` tells them where to meet: in a file on one machine, where they then listen on the loopback interface alone, or
at the address of the first of several nodes. They exchange JSON and tensors (`parcel`), and never unpickle.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.system import loopback

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
MEETING = "SMOOTHGATES_MEETING"
"""Variable that says where ranks meet: file:///path or tcp://address:port."""
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Variables by which gloo and NCCL choose where they listen."""
FAILURES = {kind.__name__: kind for kind in (BadInput, TryAgain)}


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
    def is_main(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def shard(self, items: list[T]) -> list[T]:
        """This rank's part of a list whose length the ranks divide: neighbours stay together."""
        part = len(items) // self.size
        return items[self.rank * part : (self.rank + 1) * part]

    def gather(self, item: T) -> list[T]:
        """Everyone's item, in the order of ranks: anything that `parcel` packs. Others' tuples arrive as lists."""
        if self.size == 1:
            return [item]
        import torch
        import torch.distributed as dist

        from smoothgates.distributed.message import packed, unpacked

        own = torch.frombuffer(bytearray(packed(item)), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.long) for _ in range(self.size)]
        dist.all_gather(sizes, torch.tensor([len(own)]), group=self.group)
        longest = max(map(int, sizes))
        found = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.size)]
        dist.all_gather(found, torch.nn.functional.pad(own, (0, longest - len(own))), group=self.group)
        return [unpacked(each[:size].numpy().tobytes()) for each, size in zip(found, map(int, sizes), strict=True)]

    def broadcast(self, item: T) -> T:
        """Rank 0's."""
        return self.gather(item if self.is_main else None)[0]

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """What each does by itself in here, no method of this class among it, succeeds or fails for all.

        Every rank leaves when all are done. Raises the first one's BadInput or TryAgain in all of them.
        """
        failed = None
        try:
            yield
        except (BadInput, TryAgain) as error:
            if self.size == 1:
                raise
            failed = next(name for name, kind in FAILURES.items() if isinstance(error, kind)), str(error)
        if found := next(filter(None, self.gather(failed)), None):
            kind, text = found
            raise FAILURES[kind](text)

    @contextmanager
    def reporting_lost_ranks(self) -> Iterator[None]:
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

    def generator(self, generator: "torch.Generator") -> "torch.Generator":
        """A random stream for this rank, from one that all ranks share and that moves on in all of them alike."""
        if self.size == 1:
            return generator
        import torch

        seed = int(torch.randint(2**62, (), generator=generator))
        return torch.Generator().manual_seed(seed + self.rank)


def begin_group(seconds: float | None = None) -> None:
    """Start torch's process group at the meeting place that `launch` gives, or of this process alone; it ends at exit.

    `seconds`: how long to wait for the others, by default torch's own time limit. If the group were left to the end of
    the interpreter, its threads would abort one process in twenty. Raises BadInput, TryAgain if the port is in use, and
    otherwise what torch raises.
    """
    import torch
    import torch.distributed as dist

    place = {"rank": int(os.environ.get("RANK", 0)), "world_size": int(os.environ.get("WORLD_SIZE", 1))}
    meeting = os.environ.get(MEETING, "")
    if place["world_size"] > 1 and not meeting:
        raise BadInput(
            f"{MEETING}: expected a meeting place for the ranks; start them with `python -m smoothgates launch`"
        )
    place |= {"init_method": meeting} if meeting else {"store": dist.HashStore()}
    if not meeting.startswith("tcp:"):
        os.environ.update(dict.fromkeys(INTERFACES, loopback()))
    patience = {"timeout": timedelta(seconds=seconds)} if seconds else {}
    backend = "cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, **place, **patience)
    except dist.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise TryAgain(
            f"launch: the port of {meeting} is already in use on this node; the next attempt draws another"
        ) from None
    atexit.register(dist.destroy_process_group)
