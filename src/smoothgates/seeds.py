"""Independent random streams from one seed, so that drawing more of one never shifts another."""

import hashlib
import random


def stream_seed(seed: int, purpose: str) -> int:
    """A seed of 63 bits for one purpose.

    >>> stream_seed(0, "prompts") == stream_seed(0, "prompts"), stream_seed(0, "prompts") == stream_seed(0, "samples")
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:8], "big") >> 1


def torch_stream(seed: int, purpose: str):
    """A torch.Generator for one purpose."""
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, purpose))


def python_stream(seed: int, purpose: str) -> random.Random:
    """A random.Random for one purpose."""
    return random.Random(stream_seed(seed, purpose))
