"""probe: do the ranks of a launch find each other? What to run first on a new cluster."""

import os
import platform
import sys

from smoothgates.distributed.ranks import MEETING, begin_group

SECONDS = 60


def run(seconds: int = SECONDS) -> int:
    """Meet the other ranks and add up their numbers; one line a rank. 1 if they do not meet in time.

    Raises BadInput, TryAgain.
    """
    import torch
    import torch.distributed as dist

    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    node = os.environ.get("SLURMD_NODENAME", platform.node())
    who = f"rank {rank} of {world} on {node} ({platform.node()}), {_named(device)}"
    if world > 1:
        meeting = os.environ.get(MEETING)
        try:
            begin_group(seconds)
            total = torch.tensor([rank], device=device)
            dist.all_reduce(total)
        except (RuntimeError, ValueError) as error:
            cause = str(error).strip().splitlines()[0]
            print(f"{who}: did not meet the others at {meeting} within {seconds} s: {cause}", file=sys.stderr)
            return 1
        if total.item() != sum(range(world)):
            print(f"{who}: the ranks add up to {total.item()}, expected {sum(range(world))}", file=sys.stderr)
            return 1
        who += f", met at {meeting}"
    os.write(1, f"{who}\n".encode())  # in one piece: the ranks share their output
    return 0


def _named(device) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
