"""K1: the loss of each method and its gradient, beside plain policy gradient on the same log-probabilities."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from smoothgates.distributed.ranks import Ranks
from smoothgates.methods.method import Method
from smoothgates.methods.table import load_methods
from smoothgates.objective import policy_loss, sequence_diagnostics, update_diagnostics
from smoothgates.objective.loss import gate_scale
from smoothgates.policy.decoder import Decoder
from smoothgates.seeds import torch_stream
from smoothgates.specs.train import EngineConfig
from smoothgates.study.loader import load_study
from smoothgates.train.engine.torch_engine import TorchEngine

from .harness import Row, alternate, clock, device, summary

PLAIN = "plain policy gradient"
UPDATE, GROUP, PROMPT, WIDTH = 64, 8, 22, 32
"""An update of the laptop study: its rows, those of each prompt, and tokens of their prompts and completions."""


def measure(rows: int = 64, tokens: int = 1024, repeats: int = 15) -> Iterator[Row]:
    """Each method of config/methods.yaml, on a mask in which every token counts; then a laptop update's diagnostics."""
    given, methods = batch(rows, tokens), load_methods("config/methods.yaml")
    least = moved(partial(plain, *given)) / 2**20
    for name, method in methods.items():
        sides = {"bare": partial(bare, *given, method), "plain": partial(plain, *given)}
        # The diagnostics come later: what follows them finds the caches empty.
        times = alternate(sides, repeats, clock())
        bare_ms, plain_ms = ([1e3 * each for each in seconds] for seconds in times.values())
        more = alternate({"gate": gate_alone(given, method), "full": partial(full, *given, method)}, repeats, clock())
        own, with_all = (1e3 * median(seconds) / median(plain_ms) for seconds in more.values())
        note = f"its gate alone {own:.2f}; with diagnostics {with_all:.2f}; "
        note += f"{moved(sides['bare']) / 2**20:.1f} MiB moved, plain {least:.1f}"
        fields = {"part": "K1", "what": f"{name}, {rows} x {tokens:,}", "unit": "ms", "against": PLAIN, "note": note}
        yield summary(bare_ms, plain_ms, **fields, target="<= 1.3")

    given, method = batch(UPDATE, WIDTH), methods["grpo"]
    sides = {"bare": partial(bare, *given, method), "full": partial(full, *given, method)}
    bare_s, full_s, update_s = alternate(
        sides | {"update": laptop_update(given, method)}, 2 * repeats, clock()
    ).values()
    more = [1e3 * (b - a) for a, b in zip(bare_s, full_s, strict=True)]
    what = f"diagnostics of a laptop update, {UPDATE} x {WIDTH}"
    fields = {"part": "K1", "what": what, "unit": "ms", "against": "the update without them"}
    yield summary(more, [1e3 * each for each in update_s], **fields, target="<= 0.1")


def batch(rows: int, tokens: int) -> tuple[Tensor, ...]:
    """Log π, which needs a gradient, log π_old, Â and mask."""
    generator = torch_stream(0, "batch")
    old = -torch.rand(rows, tokens, generator=generator)
    logp = old + 0.1 * torch.randn(rows, tokens, generator=generator)
    advantage, mask = torch.randn(rows, generator=generator), torch.ones(rows, tokens, dtype=torch.bool)
    logp, old, advantage, mask = (tensor.to(device()) for tensor in (logp, old, advantage, mask))
    return logp.requires_grad_(), old, advantage, mask


def plain(logp: Tensor, old: Tensor, advantage: Tensor, mask: Tensor) -> None:
    """Plain policy gradient: −r·Â, and the mean over tokens, then over sequences."""
    share = mask / mask.sum(1, keepdim=True)
    loss = -((logp - old).exp() * advantage.unsqueeze(1) * share).sum() / len(logp)
    torch.autograd.grad(loss, logp)


def bare(logp: Tensor, old: Tensor, advantage: Tensor, mask: Tensor, method: Method) -> None:
    """A method without diagnostics."""
    torch.autograd.grad(policy_loss(logp, old, advantage, mask, method, len(logp))[0], logp)


def gate_alone(given: tuple[Tensor, ...], method: Method) -> Callable[[], object]:
    """A method's f and f′ of given ratios: the least that its gate adds to plain policy gradient."""
    logp, old, advantage, mask = given
    with torch.no_grad():
        _, terms = policy_loss(logp, old, advantage, mask, method)
    gate, positive = method.applied_gate(), terms.advantage > 0
    found = gate.weight if gate.detached else gate.value_and_weight
    return partial(found, terms.ratio, gate_scale(method, positive, terms.ratio), positive)


def full(logp: Tensor, old: Tensor, advantage: Tensor, mask: Tensor, method: Method) -> None:
    """A method with them."""
    loss, terms = policy_loss(logp, old, advantage, mask, method, len(logp))
    update_diagnostics(terms)
    sequence_diagnostics(terms, torch.arange(len(old), device=old.device) // GROUP, len(old) // GROUP, method)
    torch.autograd.grad(loss, logp)


def laptop_update(given: tuple[Tensor, ...], method: Method) -> Callable[[], None]:
    """An update of the laptop study without diagnostics: forward pass, loss, backward pass and optimiser."""
    _, old, advantage, mask = given
    study = load_study("laptop").config
    policy = Decoder(study.architecture).initialise(torch_stream(0, "initialise"))
    engine = TorchEngine(policy, EngineConfig(), study.regimes["near"].optimizer, Ranks(), device())
    ids = torch.randint(5, study.architecture.vocab_size, (len(old), PROMPT + WIDTH), generator=torch_stream(0, "ids"))
    starts, lengths = torch.full((len(old),), PROMPT), torch.full((len(old),), WIDTH)

    def update() -> None:
        logp, _ = engine.score(ids, starts, lengths)
        engine.backward(policy_loss(logp, old, advantage, mask, method)[0], last=True)
        engine.step(1.0)

    return update


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
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            # An expanded tensor is read from the memory that it has.
            self.bytes += sum(min(each.nbytes, each.untyped_storage().nbytes()) for each in tensors)
        return result
