"""How often tokens change experts: through one update, and since their rollout was sampled."""

import math

import torch
from torch import Tensor

from smoothgates.policy.policy import Policy
from smoothgates.policy.routing import routing, sparse_shape
from smoothgates.rollout.collect import Rollout
from smoothgates.train.engine.engine import Engine

CHURN, DRIFT = "routing_churn", "routing_drift"
PROBE = 2
"""Most rows of an update, on each rank, that are routed once more after it."""

Batch = tuple[Tensor, Tensor, Tensor]
"""What `Engine.score` takes."""


class Routers:
    """The routers of a policy during one update of it: watched, and overruled where the method replays routes."""

    def __init__(self, engine: Engine, rollout: Rollout, replay: bool):
        self.engine, self.rollout, self.replay = engine, rollout, replay
        self.sparse = any(sparse_shape(engine.policy))
        self.drifted = torch.zeros(2)
        self.first: tuple[Tensor, Batch, Tensor] | None = None
        """Of the first micro-batch: some rows, what is scored of them, and the choice of experts before the update."""

    def score(self, rows: Tensor, batch: Batch, count: int) -> tuple[Tensor, Tensor]:
        """`Engine.score` of these rows, of which the first `count` count."""
        found, choice = self._route(rows, batch)
        if self.sparse:
            self.drifted += changed(self.rollout.routes[rows], choice, self.rollout, rows, count)
            self.first = self.first or (rows[:PROBE], tuple(tensor[:PROBE] for tensor in batch), choice[:PROBE])
        return found

    @torch.no_grad()
    def facts(self) -> dict[str, float]:
        """After the update: the share of experts that it changed, and the share that have changed since sampling.

        Experts are those that routers choose, overruled or not. Of a policy without experts there are no facts.
        """
        if not self.sparse:
            return {}
        rows, batch, before = self.first
        _, after = self._route(rows, batch)
        tallies = torch.stack([changed(before, after, self.rollout, rows, len(rows)), self.drifted])
        changes, experts = torch.stack(self.engine.ranks.gather(tallies)).sum(0).unbind(1)
        return dict(zip((CHURN, DRIFT), (changes / experts).tolist(), strict=True))

    def _route(self, rows: Tensor, batch: Batch) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Log-probabilities and entropies of these rows, and what their routers choose (n, t, L, K)."""
        width = batch[0].shape[1]
        given = self.rollout.routes[rows, :width] if self.replay else None
        with routing(self.engine.policy, len(rows), width, given) as choice:
            found = self.engine.score(*batch)
        return found, choice.cpu()


def no_facts(policy: Policy) -> dict[str, float]:
    """What is logged where no update was made."""
    return dict.fromkeys((CHURN, DRIFT), math.nan) if any(sparse_shape(policy)) else {}


def changed(one: Tensor, other: Tensor, rollout: Rollout, rows: Tensor, count: int) -> Tensor:
    """Of the experts behind the sampled tokens of the first `count` of some rows, how many are others, and of how many.

    one, other: (n, t, L, K). A token is written by the experts of the place before it. Returns (2,).
    """
    row, column = rollout.mask[rows[:count]].nonzero(as_tuple=True)
    place = rollout.starts[rows][row] + column - 1
    kept = (one[row, place].unsqueeze(-1) == other[row, place].unsqueeze(-2)).any(-1)
    return torch.tensor([float((~kept).sum()), float(kept.numel())])
