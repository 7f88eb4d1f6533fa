"""Time and peak memory of log-probabilities from chunked and from full logits, forward and backward, by size.

    OMP_NUM_THREADS=1 python tests/bench/memory.py            a table, and a model's vocabulary in full
    OMP_NUM_THREADS=1 python tests/bench/memory.py full 2048 896 151936 [CHUNK]       one cell, as JSON

Each cell is measured in its own process. Its extra memory is the peak above the memory at its start, once with and once
without the gradients that both methods must return. CPU seconds, one thread.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

VOCABULARY = 151_936
CHUNK = 64


def child(kind: str, tokens: int, hidden: int, vocabulary: int, chunk: int = CHUNK) -> dict:
    """Measure one way, in this process."""
    import torch

    from smoothgates.policy.logprob import token_logprobs

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(tokens, hidden, generator=generator).requires_grad_()
    head = torch.empty(vocabulary, hidden).normal_(std=0.05, generator=generator).requires_grad_()
    targets = torch.randint(vocabulary, (tokens,), generator=generator)
    factors = torch.randn(tokens, generator=generator)
    token_logprobs(states[:1], head[:9], targets[:1] % 9, 1)  # the overhead of the first call is not counted
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before, began = resident("VmHWM"), time.process_time()
    logp, entropy = token_logprobs(states, head, targets, chunk if kind == "chunked" else None)
    to_states, to_head = torch.autograd.grad((logp * factors).sum(), (states, head))
    seconds, extra = time.process_time() - began, resident("VmHWM") - before
    gradients = (to_states.nbytes + to_head.nbytes) / 2**20
    # Checksums that differ if the results do: the product of each vector with a random one.
    found = [(tensor * torch.rand(tensor.shape, generator=generator)).double() for tensor in (logp, entropy)]
    sides = [(tensor.double() @ torch.rand(hidden, generator=generator).double()) for tensor in (to_states, to_head)]
    return {
        "seconds": seconds,
        "extra_mib": extra,
        "gradients_mib": gradients,
        "sums": [part.sum().item() for part in found] + [side.norm().item() for side in sides],
    }


def resident(key: str) -> float:
    """Resident memory of this process (VmRSS) or its peak (VmHWM), in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def measure(*cell: object) -> dict:
    """One cell, in a child process."""
    command = [sys.executable, __file__, *map(str, cell)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(tokens: int, hidden: int, vocabulary: int, chunk: int = CHUNK) -> dict:
    """Measure both methods, and the difference of their results relative to the full ones."""
    full, chunked = (measure(kind, tokens, hidden, vocabulary, chunk) for kind in ("full", "chunked"))
    bare = [max(each["extra_mib"] - each["gradients_mib"], 0.0) for each in (full, chunked)]
    row = {
        "tokens": tokens,
        "hidden": hidden,
        "seconds": [full["seconds"], chunked["seconds"]],
        "extra_mib": [full["extra_mib"], chunked["extra_mib"]],
        "without_gradients_mib": bare,
        "apart": max(abs(a - b) / abs(a) for a, b in zip(full["sums"], chunked["sums"], strict=True)),
    }
    print(
        f"{tokens:6} {hidden:6}   {full['extra_mib']:8.0f} {chunked['extra_mib']:8.0f}"
        f"   {bare[0]:8.0f} {bare[1]:8.0f} {bare[1] / bare[0]:6.3f}"
        f"   {full['seconds']:7.2f} {chunked['seconds']:7.2f} {chunked['seconds'] / full['seconds']:6.2f}"
        f"   {row['apart']:.1e}",
        flush=True,
    )
    return row


def main() -> None:
    print(f"vocabulary {VOCABULARY}, chunks of {CHUNK} tokens; MiB and CPU seconds: full, chunked, chunked/full")
    print("tokens hidden        extra, all          without gradients            seconds               apart")
    sizes = [(tokens, hidden) for hidden in (64, 256, 896) for tokens in (128, 512, 2048)]
    print(json.dumps([compare(tokens, hidden, VOCABULARY) for tokens, hidden in sizes]))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(child(sys.argv[1], *map(int, sys.argv[2:]))))
    else:
        main()
