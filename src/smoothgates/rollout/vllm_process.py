"""The parent's side of vLLM's process: start it, call it, end it.

The two talk through a pipe that no other process can open, so pickles are safe there.
"""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from multiprocessing import Pipe
from typing import Any

import torch

from smoothgates.distributed.ranks import INTERFACES, MEETING
from smoothgates.errors import BadInput
from smoothgates.io.system import loopback
from smoothgates.rollout.vllm_server import Failure

MAIN = "from smoothgates.rollout.vllm_server import main; main({})"
OF_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", MEETING)
"""Each rank's vLLM runs alone; with these variables it would wait for other ranks."""
OF_TORCH = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""The trainer's allocator may expand its segments; vLLM's sleep mode does not allow that."""
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # this is a separate process already, and steps must follow requests exactly
    "VLLM_NO_USAGE_STATS": "1",
}
DEFAULTS = {"VLLM_LOGGING_LEVEL": "ERROR"}
ON_CPU = {
    "TORCH_COMPILE_DISABLE": "1",  # would start a compiler for one small function
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # otherwise all ranks' servers share one core
}
PATIENCE = 3600.0
"""Seconds to wait for an answer; after that the process counts as dead. A first batch of any length takes less."""


class Died(Exception):
    """The process ended without an answer, or with a `Failure`."""


class VllmProcess:
    """A running `VllmServer`. Raises BadInput if vLLM is not installed, and Died if it does not start."""

    def __init__(self, *arguments: Any):
        """`arguments`: those of `VllmServer`."""
        if find_spec("vllm") is None:
            raise BadInput("sampler.kind: 'vllm' is not installed here: make scale, or on GPUs envs/train-cuda")
        self.pipe, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", MAIN.format(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment(os.environ, torch.cuda.is_available()),
                stdin=subprocess.PIPE,
                stdout=2,  # standard output is for results only
            )
        self.ask("start", *arguments)

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call a method of `VllmServer`. Raises Died."""
        torch.cuda.empty_cache()  # returns the GPU memory that torch caches; no effect without a GPU
        try:
            self.pipe.send((name, arguments))
            silent = not self.pipe.poll(PATIENCE)
            answer = Failure(f"no answer to {name} in {PATIENCE:g} seconds") if silent else self.pipe.recv()
        except (EOFError, ConnectionError):
            answer = Failure(ending(self.process.wait()))
        if isinstance(answer, Failure):
            self.close()
            raise Died(answer.cause)
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.pipe.close()


def environment(own: dict[str, str], gpu: bool) -> dict[str, str]:
    """The environment of vLLM's process, made from this process's.

    >>> found = environment({"RANK": "1", "CUDA_VISIBLE_DEVICES": "3"}, gpu=True)
    >>> "RANK" in found, found["CUDA_VISIBLE_DEVICES"]
    (False, '3')
    """
    kept = {name: value for name, value in own.items() if name not in (*OF_RANKS, *OF_TORCH)}
    own_machine = dict.fromkeys(INTERFACES, loopback())  # no other machine has to reach it
    return {**DEFAULTS, **({} if gpu else ON_CPU), **kept, **SETTINGS, **own_machine}


def ending(code: int) -> str:
    """How a process with this exit code ended.

    >>> ending(-9), ending(1)
    ('killed by SIGKILL', 'ended with exit code 1')
    """
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
