"""The experts of tokens: recorded as the routers choose them, or prescribed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from smoothgates.policy.policy import Keep, Policy


@dataclass(frozen=True)
class Route:
    """The experts in one layer, of the tokens that the layer computes."""

    recorded: Tensor
    """(B·T, K) the routers' choice for all tokens, filled by `record`."""
    given: Tensor | None
    """(B·T, K) prescribed experts, or None."""
    where: Tensor
    """(N,) positions among B·T of the tokens that the layer computes."""

    def prescribed(self) -> Tensor | None:
        """Experts (N, K) to use instead of the router's choice, or None."""
        return None if self.given is None else self.given[self.where].long()

    def record(self, choice: Tensor) -> None:
        """Record the router's choice (N, K)."""
        self.recorded[self.where] = choice.to(self.recorded.dtype)


@dataclass(frozen=True)
class Routes:
    """The experts in one forward pass over B rows of T tokens, with K experts in each of L layers."""

    places: Tensor
    """(B, T) 0 … B·T − 1."""
    recorded: Tensor
    """(L, B·T, K) the routers' choice."""
    given: Tensor | None
    """(L, B·T, K) prescribed experts. None: the routers choose."""

    def of(self, layer: int, width: int, keep: Keep | None) -> Route:
        """For a layer that computes the first `width` tokens of each row, or those that `keep` selects."""
        places = self.places[:, :width].unsqueeze(2)
        return self.at(layer, (places if keep is None else keep(places)).flatten())

    def packed(self, layer: int, lengths: list[int]) -> Route:
        """For a layer that computes the first `lengths` tokens of the rows, packed."""
        ends = torch.tensor(lengths, device=self.places.device).unsqueeze(1)
        return self.at(layer, self.places[torch.arange(self.places.shape[1], device=ends.device) < ends])

    def at(self, layer: int, where: Tensor) -> Route:
        """For a layer that computes the tokens at these positions (N,)."""
        return Route(self.recorded[layer], None if self.given is None else self.given[layer], where)


def sparse_shape(policy: Policy) -> tuple[int, int]:
    """Layers with experts, and experts of each token: (L, K), or (0, 0) without experts."""
    return getattr(policy, "sparse_shape", (0, 0))


def no_routes(policy: Policy, rows: int, tokens: int) -> Tensor:
    """Experts (rows, tokens, L, K) before a forward pass: all 0. Empty for a policy without experts."""
    return torch.zeros(rows, tokens, *sparse_shape(policy), dtype=torch.uint8)


@contextmanager
def routing(policy: Policy, rows: int, tokens: int, given: Tensor | None = None) -> Iterator[Tensor]:
    """Record the routers' choice in a forward pass over ids (rows, tokens), or over their first columns.

    Yields the choice (rows, tokens, L, K), to be read after the pass; it is 0 where a layer did not compute a token.
    `given`, of the same shape: experts to use. The recorded choice is then the one that was overruled.
    """
    layers, _ = sparse_shape(policy)
    recorded = no_routes(policy, rows, tokens).to(next(policy.parameters()).device)
    if layers:
        places = torch.arange(rows * tokens, device=recorded.device).view(rows, tokens)
        policy.routes = Routes(
            places, by_layer(recorded), None if given is None else by_layer(given.to(recorded.device))
        )
    try:
        yield recorded
    finally:
        if layers:
            policy.routes = None


def by_layer(routes: Tensor) -> Tensor:
    """(B, T, L, K) → a view (L, B·T, K)."""
    return routes.flatten(0, 1).transpose(0, 1)
