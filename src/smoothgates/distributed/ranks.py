"""The processes that train one policy together. With a single process none of this costs anything, and torch is not
imported.

The ranks connect through the meeting place that `launch` sets: a file on one machine, where they then listen on the
loopback interface only, or the address of the first of several nodes. They exchange JSON and tensors (`message`), never
pickles.
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
"""Environment variable with the meeting place of the ranks: file:///path or tcp://address:port."""
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Environment variables that choose the network interfaces of gloo and NCCL."""
FAILURES = {kind.__name__: kind for kind in (BadInput, TryAgain)}


class Ranks:
    """This process as one of `size` ranks. All ranks must call each method together."""

    def __init__(self) -> None:
        """Connect to the other ranks, if there are any. Raises as `begin_group` if that fails."""
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.group = None
        if self.size > 1:
            import torch.distributed as dist

            if not dist.is_initialized():
                begin_group()
            self.group = dist.new_group(backend="gloo")

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which writes files."""
        return self.rank == 0

    def shard(self, items: list[T]) -> list[T]:
        """This rank's contiguous part of a list whose length is a multiple of the number of ranks."""
        part = len(items) // self.size
        return items[self.rank * part : (self.rank + 1) * part]

    def gather(self, item: T) -> list[T]:
        """The items of all ranks, in their order: anything that `message.encode` accepts. Tuples arrive as lists."""
        if self.size == 1:
            return [item]
        import torch
        import torch.distributed as dist

        from smoothgates.distributed.message import decode, encode

        own = torch.frombuffer(bytearray(encode(item)), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.long) for _ in range(self.size)]
        dist.all_gather(sizes, torch.tensor([len(own)]), group=self.group)
        longest = max(map(int, sizes))
        found = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.size)]
        dist.all_gather(found, torch.nn.functional.pad(own, (0, longest - len(own))), group=self.group)
        return [decode(each[:size].numpy().tobytes()) for each, size in zip(found, map(int, sizes), strict=True)]

    def broadcast(self, item: T) -> T:
        """Rank 0's item, on all ranks."""
        return self.gather(item if self.is_main else None)[0]

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """If any rank raises BadInput or TryAgain inside this block, every rank raises the first rank's error.

        Do not call other methods of this class inside. The ranks leave the block together.
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
        """Raise TryAgain if torch finds inside this block that another rank is gone. That rank reports the cause."""
        if self.size == 1:
            yield
            return
        import torch.distributed as dist

        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, dist.DistError) and "gloo/transport" not in str(error):
                raise
            raise TryAgain(
                f"rank {self.rank} has lost contact with another rank: {str(error).splitlines()[0]}"
            ) from None

    def generator(self, generator: "torch.Generator") -> "torch.Generator":
        """A random stream for this rank, seeded from one that all ranks share. That one advances equally on all."""
        if self.size == 1:
            return generator
        import torch

        seed = int(torch.randint(2**62, (), generator=generator))
        return torch.Generator().manual_seed(seed + self.rank)


def begin_group(seconds: float | None = None) -> None:
    """Start torch's process group at the meeting place that `launch` sets, or for this process alone.

    `seconds`: time to wait for the other ranks; by default torch's own limit. The group is destroyed at exit: if that
    were left to the interpreter, its threads would abort one process in twenty. Raises BadInput if there is no meeting
    place, TryAgain if the port is in use, and otherwise what torch raises.
    """
    import torch
    import torch.distributed as dist

    group = {"rank": int(os.environ.get("RANK", 0)), "world_size": int(os.environ.get("WORLD_SIZE", 1))}
    meeting = os.environ.get(MEETING, "")
    if group["world_size"] > 1 and not meeting:
        raise BadInput(
            f"{MEETING}: expected a meeting place for the ranks; start them with `python -m smoothgates launch`"
        )
    group |= {"init_method": meeting} if meeting else {"store": dist.HashStore()}
    if not meeting.startswith("tcp:"):
        os.environ.update(dict.fromkeys(INTERFACES, loopback()))
    timeout = {"timeout": timedelta(seconds=seconds)} if seconds else {}
    backend = "cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, **group, **timeout)
    except dist.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise TryAgain(
            f"launch: the port of {meeting} is in use on this node; the next attempt draws another"
        ) from None
    atexit.register(dist.destroy_process_group)
