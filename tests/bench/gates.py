"""K1: the loss and its gradient of each method, beside plain policy gradient on the same log-probabilities."""

from collections.abc import Callable, Iterator

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss

from .harness import Row, alternate, clock, device, summary

MOST = "<= 1.3"
"""Time of a method without diagnostics, beside plain policy gradient."""


def measure(rows: int = 64, tokens: int = 1024, repeats: int = 15) -> Iterator[Row]:
    """Each method of config/methods.yaml, on a mask in which every token counts."""
    generator = torch.Generator().manual_seed(0)
    old = -torch.rand(rows, tokens, generator=generator)
    logp = old + 0.1 * torch.randn(rows, tokens, generator=generator)
    advantage, mask = torch.randn(rows, generator=generator), torch.ones(rows, tokens)
    logp, old, advantage, mask = (tensor.to(device()) for tensor in (logp, old, advantage, mask))
    logp.requires_grad_()

    def plain() -> None:
        share = mask / mask.sum(1, keepdim=True).clamp(min=1)
        torch.autograd.grad(-(advantage.unsqueeze(1) * logp * share).sum() / rows, logp)

    size, against = f"{rows} x {tokens}", "plain policy gradient"
    least = moved(plain)
    for name, method in load_methods("config/methods.yaml").items():

        def ours(method=method) -> None:
            torch.autograd.grad(policy_loss(logp, old, advantage, mask, method)[0], logp)

        times = alternate({"ours": ours, "plain": plain}, repeats, clock())
        ours_ms, plain_ms = ([1e3 * each for each in times[side]] for side in ("ours", "plain"))
        note = f"{moved(ours) / 2**20:.1f} MiB moved, plain {least / 2**20:.1f}"
        yield summary(
            ours_ms,
            plain_ms,
            part="K1",
            what=f"{name}, {size}, with diagnostics",
            unit="ms",
            against=against,
            note=note,
        )


def moved(function: Callable[[], object]) -> int:
    """Bytes that a function's tensor operations read and write: those of their arguments and results.

    Views move nothing. What a kernel reads twice, or keeps in a cache, is not seen.
    """
    with Traffic() as traffic:
        function()
    return traffic.bytes


class Traffic(TorchDispatchMode):
    """Counts the bytes of tensors that go into operations and come out of them."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
            # An expanded tensor is read from the memory that it has.
            self.bytes += sum(min(each.nbytes, each.untyped_storage().nbytes()) for each in tensors)
        return result
