"""K0: what this machine can do at most: copying memory, and multiplying matrices."""

from collections.abc import Iterator

import torch

from .harness import Row, alternate, clock, device, summary

SIZES = {"cpu": (2**25, 1024), "cuda": (2**30, 8192)}
"""Elements that are copied, and the sides of the matrices."""


def measure(copied: int | None = None, side: int | None = None, repeats: int = 10) -> Iterator[Row]:
    """Copy bandwidth and the rate of matrix products in single precision, and on a GPU in half precision too."""
    elements, width = SIZES[device()]
    elements, width = copied or elements, side or width
    source = torch.ones(elements, device=device())
    out = torch.empty_like(source)
    (seconds,) = alternate({"copy": lambda: out.copy_(source)}, repeats, clock()).values()
    rates = [2 * source.nbytes / 1e9 / each for each in seconds]
    yield summary(rates, part="K0", what="copy, read and written", unit="GB/s")
    for dtype in (torch.float32, torch.bfloat16)[: 1 + source.is_cuda]:
        matrix = torch.ones(width, width, device=device(), dtype=dtype)
        (seconds,) = alternate({"product": lambda matrix=matrix: matrix @ matrix}, repeats, clock()).values()
        rates = [2e-9 * width**3 / each for each in seconds]
        name = str(dtype).removeprefix("torch.")
        yield summary(rates, part="K0", what=f"matrix product, {width} x {width}, {name}", unit="GFLOP/s")
