"""Routing of tokens to experts during one update: replay of a rollout's routes, and how much routes change."""

import math

import torch
from torch import Tensor

from smoothgates.policy.policy import Policy
from smoothgates.policy.routing import routing, sparse_shape
from smoothgates.rollout.collect import Rollout
from smoothgates.train.engine.engine import Engine, Sequences

CHURN, DRIFT = "routing_churn", "routing_drift"
CHURN_ROWS = 2
"""Rows of an update, on each rank, that are routed again after it to measure churn."""


class RoutingReplay:
    """Scores the rows of one update, and notes which experts the routers choose.

    With `replay`, tokens take the routes of the rollout instead of the routers' choice. For a policy without experts it
    only scores.
    """

    def __init__(self, engine: Engine, rollout: Rollout, replay: bool):
        self.engine, self.rollout, self.replay = engine, rollout, replay
        self.sparse = any(sparse_shape(engine.policy))
        self.drifted = torch.zeros(2)
        """Experts that changed since sampling, and experts counted, in all rows scored so far."""
        self.first: tuple[Tensor, Sequences, Tensor] | None = None
        """From the first micro-batch: some rows, their sequences, and their experts before the update."""

    def score(self, rows: Tensor, sequences: Sequences, count: int) -> tuple[Tensor, Tensor]:
        """`Engine.score` of some rows (n,). Drift is counted in the first `count` of them."""
        scored, choice = self._route(rows, sequences)
        if self.sparse:
            self.drifted += changed_experts(self.rollout.routes[rows], choice, self.rollout, rows[:count])
            few = slice(CHURN_ROWS)
            self.first = self.first or (rows[few], Sequences(*(tensor[few] for tensor in sequences)), choice[few])
        return scored

    @torch.no_grad()
    def metrics(self) -> dict[str, float]:
        """The share of experts that the update changed, and the share that has changed since sampling.

        To be called after the update, by all ranks. Counts the routers' choice, also where a replayed route overrules
        it. Empty for a policy without experts.
        """
        if not self.sparse:
            return {}
        rows, sequences, before = self.first
        _, after = self._route(rows, sequences)
        churned = changed_experts(before, after, self.rollout, rows)
        tallies = torch.stack([churned, self.drifted])
        changed, counted = torch.stack(self.engine.ranks.gather(tallies)).sum(0).unbind(1)
        return dict(zip((CHURN, DRIFT), (changed / counted).tolist(), strict=True))

    def _route(self, rows: Tensor, sequences: Sequences) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Log-probabilities and entropies of some rows, and the experts (n, t, L, K) that their routers choose."""
        width = sequences.ids.shape[1]
        given = self.rollout.routes[rows, :width] if self.replay else None
        with routing(self.engine.policy, len(rows), width, given) as choice:
            scored = self.engine.score(*sequences)
        return scored, choice.cpu()


def no_routing_metrics(policy: Policy) -> dict[str, float]:
    """The same metrics where no update was made: NaN."""
    return dict.fromkeys((CHURN, DRIFT), math.nan) if any(sparse_shape(policy)) else {}


def changed_experts(before: Tensor, after: Tensor, rollout: Rollout, rows: Tensor) -> Tensor:
    """The number of experts that differ, and the number of experts, behind the sampled tokens of some rows: (2,).

    before, after: (m, t, L, K); the first n of the m rows are `rows` (n,). A token at position p is predicted by the
    experts of position p − 1.
    """
    row, column = rollout.mask[rows].nonzero(as_tuple=True)
    position = rollout.starts[rows][row] + column - 1
    kept = (before[row, position].unsqueeze(-1) == after[row, position].unsqueeze(-2)).any(-1)
    return torch.tensor([float((~kept).sum()), float(kept.numel())])
