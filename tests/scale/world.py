"""Several ranks on this host. They are forked, so they start in milliseconds with all imports of this process."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from smoothgates.distributed.ranks import MEETING, Ranks


def world(size: int, act: Callable[[Ranks], object], folder: Path) -> list:
    """Return what `act` returns on each rank, in their order. Fails with the errors of ranks that fail."""
    folder.mkdir(exist_ok=True)
    (folder / "meeting").unlink(missing_ok=True)
    children = [fork(rank, size, act, folder) for rank in range(size)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    errors = "\n".join(path.read_text() for path in sorted(folder.glob("*.error")))
    assert codes == [0] * size, errors
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


def fork(rank: int, size: int, act: Callable[[Ranks], object], folder: Path) -> int:
    """Process id of a child that is one rank."""
    if child := os.fork():
        return child
    try:
        variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, MEETING: f"file://{folder}/meeting"}
        os.environ.update({name: str(value) for name, value in variables.items()})
        for name in ("_object_to_tensor", "_tensor_to_object"):  # DeepSpeed must not make ranks unpickle messages
            setattr(torch.distributed.distributed_c10d, name, None)
        torch.save(act(Ranks()), folder / f"{rank}.pt")
        os._exit(0)
    except BaseException:
        (folder / f"{rank}.error").write_text(f"rank {rank}: {traceback.format_exc()}")
        os._exit(1)
