"""Time and peak memory of one way to get log-probabilities, forward and backward, in this process.

    OMP_NUM_THREADS=1 python tests/bench/memory.py full 2048 896 151936 [CHUNK]       one cell, as JSON

The extra memory is the peak above the memory at the start, the gradients that every way must return included.
CPU seconds, one thread; on a GPU, seconds and the memory of tensors.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 64
"""Tokens whose logits may exist at a time, where the way allows a choice."""


def full(states: "Tensor", head: "Tensor", targets: "Tensor", chunk: int) -> tuple["Tensor", "Tensor"]:
    """Log π and entropy from all logits at once."""
    from smoothgates.policy.logprob import token_logprobs

    return token_logprobs(states, head, targets)


def chunked(states: "Tensor", head: "Tensor", targets: "Tensor", chunk: int) -> tuple["Tensor", "Tensor"]:
    """The same by blocks of the vocabulary."""
    from smoothgates.policy.logprob import token_logprobs

    return token_logprobs(states, head, targets, chunk)


def trl_selective(states: "Tensor", head: "Tensor", targets: "Tensor", chunk: int) -> tuple["Tensor", "Tensor"]:
    """TRL's function for full logits."""
    from trl.trainer.utils import selective_log_softmax_and_entropy

    return selective_log_softmax_and_entropy(states @ head.T, targets, entropy_requires_grad=False)


def trl_chunked(states: "Tensor", head: "Tensor", targets: "Tensor", chunk: int) -> tuple["Tensor", "Tensor"]:
    """TRL's function that makes no full logits, with its own size of chunks."""
    from trl.kernels import ChunkedLogProbFunction
    from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE

    size = _CHUNKED_LOGPROB_CHUNK_SIZE
    logp, entropy, *_ = ChunkedLogProbFunction.apply(states, head, None, targets, 1.0, size, None, 1.0, ("entropy",))
    return logp, entropy.detach()


def liger(states: "Tensor", head: "Tensor", targets: "Tensor", chunk: int) -> tuple["Tensor", None]:
    """The log-probabilities of Liger's GRPO loss, which has no entropy."""
    from liger_kernel.chunked_loss.fused_linear_ppo import LigerFusedLinearPPOBase

    return LigerFusedLinearPPOBase.chunk_forward(states.unsqueeze(0), head, targets.unsqueeze(0)).squeeze(0), None


WAYS: dict[str, Callable] = {each.__name__: each for each in (full, chunked, trl_selective, trl_chunked, liger)}


def problem(tokens: int, hidden: int, vocabulary: int) -> tuple["Tensor", ...]:
    """States (n, H) and output matrix (V, H), which need gradients; targets (n,), and factors (n,) of log π."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(tokens, hidden, generator=generator).to(device).requires_grad_()
    head = torch.empty(vocabulary, hidden).normal_(std=0.05, generator=generator).to(device).requires_grad_()
    targets = torch.randint(vocabulary, (tokens,), generator=generator)
    return states, head, targets.to(device), torch.randn(tokens, generator=generator).to(device)


def child(kind: str, tokens: int, hidden: int, vocabulary: int, chunk: int = CHUNK) -> dict:
    """Measure one way, in this process."""
    import torch

    torch.set_num_threads(1)
    states, head, targets, factors = problem(tokens, hidden, vocabulary)
    way = WAYS[kind]
    way(states[:1], head[:9], targets[:1] % 9, 1)  # the overhead of the first call is not counted
    if states.is_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    clock = time.perf_counter if states.is_cuda else time.process_time
    before, began = resident("VmRSS"), clock()
    logp, entropy = way(states, head, targets, chunk)
    to_states, to_head = torch.autograd.grad((logp * factors).sum(), (states, head))
    if states.is_cuda:
        torch.cuda.synchronize()
    seconds, extra = clock() - began, resident("VmHWM") - before
    # Checksums that differ if the results do: the product of each vector with a random one.
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(hidden, generator=generator).double()
    found = [logp] if entropy is None else [logp, entropy]
    sums = [(tensor.cpu() * torch.rand(tokens, generator=generator)).double().sum().item() for tensor in found]
    return {
        "seconds": seconds,
        "extra_mib": extra,
        "gradients_mib": (to_states.nbytes + to_head.nbytes) / 2**20,
        "sums": [(side.cpu().double() @ weights).norm().item() for side in (to_states, to_head)] + sums,
    }


def resident(key: str) -> float:
    """MiB of this process that are resident (VmRSS), or their peak (VmHWM); on a GPU, the same of its tensors."""
    import torch

    if torch.cuda.is_available():
        return {"VmRSS": torch.cuda.memory_allocated, "VmHWM": torch.cuda.max_memory_allocated}[key]() / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], *map(int, sys.argv[2:]))))
