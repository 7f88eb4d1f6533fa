"""vLLM's process as the trainer sees it: started, asked, ended.

They talk through pipes between parent and child, which nobody else can open, so pickles do no harm there.
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
from smoothgates.rollout.vllm_engine import Failure

MAIN = "from smoothgates.rollout.vllm_engine import main; main({})"
OF_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", MEETING)
"""Each rank's vLLM is alone: with these it would wait for the others."""
OF_TORCH = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""The trainer's allocator may expand its segments, which vLLM's memory that can be freed does not allow."""
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # it is in a process of its own already: steps follow requests exactly
    "VLLM_NO_USAGE_STATS": "1",
}
DEFAULTS = {"VLLM_LOGGING_LEVEL": "ERROR"}
ON_CPU = {
    "TORCH_COMPILE_DISABLE": "1",  # would start a compiler for one small function
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # otherwise all ranks' engines sit on one core
}
PATIENCE = 3600.0
"""Seconds that an answer may take: one that hangs is as good as dead. A first completion of any length takes less."""


class Died(Exception):
    """The process has ended without an answer, or with one that says why."""


class VllmProcess:
    """A running engine. Raises BadInput where vLLM is not installed, Died if it does not come up."""

    def __init__(self, *arguments: Any):
        """Of `Engine`."""
        if find_spec("vllm") is None:
            raise BadInput("sampler.kind: 'vllm' is not installed here: make scale, or on GPUs envs/train-cuda")
        self.pipe, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", MAIN.format(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment(os.environ, torch.cuda.is_available()),
                stdin=subprocess.PIPE,
                stdout=2,  # what vLLM prints is no result
            )
        self.ask("start", *arguments)

    def ask(self, name: str, *arguments: Any) -> Any:
        """The answer of a method of `Engine`. Raises Died."""
        torch.cuda.empty_cache()  # what this process keeps of the GPU's memory for later; nothing where it uses none
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
    """Variables of vLLM's process, from this one's.

    >>> found = environment({"RANK": "1", "CUDA_VISIBLE_DEVICES": "3"}, gpu=True)
    >>> "RANK" in found, found["CUDA_VISIBLE_DEVICES"]
    (False, '3')
    """
    kept = {name: value for name, value in own.items() if name not in (*OF_RANKS, *OF_TORCH)}
    own_machine = dict.fromkeys(INTERFACES, loopback())  # it is alone: nobody else has to reach it
    return {**DEFAULTS, **({} if gpu else ON_CPU), **kept, **SETTINGS, **own_machine}


def ending(code: int) -> str:
    """How a process ended.

    >>> ending(-9), ending(1)
    ('killed by SIGKILL', 'ended with exit code 1')
    """
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
