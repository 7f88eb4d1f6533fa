"""probe: checks that the ranks of a launch can reach each other. Run it first on a new cluster."""

import os
import platform
import sys

from smoothgates.distributed.ranks import MEETING, begin_group

SECONDS = 60


def run(seconds: int = SECONDS) -> int:
    """Connect to the other ranks and add up the ranks' numbers. Each rank prints one line.

    Returns the exit code: 1 if the ranks do not connect within `seconds`. Raises BadInput and TryAgain as
    `begin_group`.
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
            print(f"{who}: did not reach the others at {meeting} within {seconds} s: {cause}", file=sys.stderr)
            return 1
        if total.item() != sum(range(world)):
            print(f"{who}: expected the ranks to add up to {sum(range(world))}, got {total.item()}", file=sys.stderr)
            return 1
        who += f", met at {meeting}"
    os.write(1, f"{who}\n".encode())  # in one piece, because the ranks share their output
    return 0


def _named(device) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
