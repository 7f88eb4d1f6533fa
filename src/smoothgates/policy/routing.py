"""Which experts tokens go through: noted as routers choose them, or given beforehand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from smoothgates.policy.policy import Keep, Policy


@dataclass(frozen=True)
class Route:
    """The part of one layer, at the tokens that it computes."""

    noted: Tensor
    """(B·T, K) of all tokens, to be filled."""
    given: Tensor | None
    """(B·T, K) or None."""
    where: Tensor
    """(N,) places among B·T of the tokens that the layer computes."""

    def prescribed(self) -> Tensor | None:
        """Experts (N, K) to go through."""
        return None if self.given is None else self.given[self.where].long()

    def note(self, choice: Tensor) -> None:
        """Keep the router's choice (N, K)."""
        self.noted[self.where] = choice.to(self.noted.dtype)


@dataclass(frozen=True)
class Routes:
    """Of one forward pass over B rows of T tokens, with K experts chosen in each of L layers."""

    places: Tensor
    """(B, T) 0 … B·T − 1."""
    noted: Tensor
    """(L, B·T, K)."""
    given: Tensor | None
    """(L, B·T, K), or None: what the routers choose."""

    def of(self, layer: int, width: int, keep: Keep | None) -> Route:
        """Of a layer that computes the first `width` tokens of each row, or those of them that are kept."""
        places = self.places[:, :width].unsqueeze(2)
        return self.at(layer, (places if keep is None else keep(places)).flatten())

    def packed(self, layer: int, lengths: list[int]) -> Route:
        """Of a layer that computes the first `lengths` tokens of the rows, end to end."""
        ends = torch.tensor(lengths, device=self.places.device).unsqueeze(1)
        return self.at(layer, self.places[torch.arange(self.places.shape[1], device=ends.device) < ends])

    def at(self, layer: int, where: Tensor) -> Route:
        """Of a layer that computes the tokens at these places (N,)."""
        return Route(self.noted[layer], None if self.given is None else self.given[layer], where)


def sparse_shape(policy: Policy) -> tuple[int, int]:
    """Layers with experts, and experts that each chooses: (0, 0) for a policy without."""
    return getattr(policy, "sparse_shape", (0, 0))


def no_routes(policy: Policy, rows: int, tokens: int) -> Tensor:
    """Experts (rows, tokens, L, K) before any has been chosen; without elements for a policy without experts."""
    return torch.zeros(rows, tokens, *sparse_shape(policy), dtype=torch.uint8)


@contextmanager
def routing(policy: Policy, rows: int, tokens: int, given: Tensor | None = None) -> Iterator[Tensor]:
    """Within, a forward pass over ids (rows, tokens) or fewer columns notes what the routers choose.

    Yields the choice (rows, tokens, L, K), to be read afterwards; places that a layer did not compute are 0. With
    `given`, of the same shape, tokens go through those experts, and what is noted is the choice that was overruled.
    """
    layers, _ = sparse_shape(policy)
    noted = no_routes(policy, rows, tokens).to(next(policy.parameters()).device)
    if layers:
        places = torch.arange(rows * tokens, device=noted.device).view(rows, tokens)
        policy.routes = Routes(places, by_layer(noted), None if given is None else by_layer(given.to(noted.device)))
    try:
        yield noted
    finally:
        if layers:
            policy.routes = None


def by_layer(routes: Tensor) -> Tensor:
    """(B, T, L, K) → a view (L, B·T, K)."""
    return routes.flatten(0, 1).transpose(0, 1)
