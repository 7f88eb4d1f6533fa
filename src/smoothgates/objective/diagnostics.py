"""Diagnostics of the ratios in one optimiser step, for all tokens and by the sign of their advantage."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

QUANTILES = {"q01": 0.01, "q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99}
SIGNS = ("all", "pos", "neg")
BINS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Upper edges of the bins of log r above 0; those below 0 mirror them, and the middle bin holds 0. A bin includes its
lower edge."""


class TokenTerms(NamedTuple):
    """What the loss computes for each token of a batch. (B, T), or (B, 1) where the tokens of a row share a value."""

    log_ratio: Tensor
    """log r, within ±20 and 0 where masked."""
    ratio: Tensor
    """The gate's argument; for GMPO, whose gate comes before it, the ratio of the row."""
    weight: Tensor
    """The gate's f′; 0 where the method's mask takes the gradient."""
    advantage: Tensor
    valid: Tensor
    """1 at valid tokens, else 0; always (B, T)."""
    inside: Tensor
    """1 at valid tokens with a finite log r within ±20, else 0."""


def update_diagnostics(terms: TokenTerms) -> dict[str, Tensor]:
    """Return scalars over the valid tokens of a batch.

    `eur`: effective update ratio, the token mean of f′ (2602.19345, eq 12, without its grouping by prompt).
    `phi`: mean of φ = r·f′. `ess`: effective sample size (Σφ)²/(NΣφ²), in (0, 1]. `attenuated`: share of tokens with
    f′ < ½ (for a hard clip, the clipped share). `clamped`: share of tokens whose log r lies outside ±20. `kl`: k3
    estimate of KL(π_old ‖ π), in nats. `log_ratio_q05` …: quantiles of log r. `log_ratio_max`: the largest |log r|.
    `log_ratio_bin0` …: the histogram of log r, as the share of the tokens in each of the `BINS`, from the lowest up.

    Names without a suffix are for all tokens, `_pos` for tokens with Â > 0, and `_neg` for Â ≤ 0. A value is NaN if
    there are no such tokens.
    """
    lr, f, valid = terms.log_ratio, terms.weight, terms.valid
    positive = (terms.advantage > 0).to(valid.dtype)
    phi = terms.ratio * f
    # Sums over the tokens of each sign are one product of matrices, in double precision.
    chosen = torch.stack([valid, valid * positive, valid * (1 - positive)]).flatten(1).double()
    columns = [f, phi, phi.square(), f < 0.5, valid - terms.inside, lr.exp() - 1 - lr]
    sums = chosen @ torch.stack([column.expand_as(valid).flatten().double() for column in columns], dim=1)
    count = chosen.sum(dim=1, keepdim=True)
    eur, phi, squares, attenuated, clamped, kl = (sums / count).unbind(dim=1)
    means = torch.stack([eur, phi, phi.square() / squares, attenuated, clamped], dim=1)
    values, order = lr.flatten().sort()
    rank = chosen.index_select(1, order).cumsum(dim=1)  # how many of a sign's values are among the first
    table = torch.cat([means, _quantiles(values, rank)], dim=1)
    names = ["eur", "phi", "ess", "attenuated", "clamped", *(f"log_ratio_{q}" for q in QUANTILES)]
    result: dict[str, Tensor] = {}
    for sign, row in zip(SIGNS, table.to(lr.dtype), strict=True):
        suffix = "" if sign == "all" else f"_{sign}"
        result |= {f"{name}{suffix}": value for name, value in zip(names, row.unbind(), strict=True)}
        if sign == "all":
            result |= {"kl": kl[0].to(lr.dtype), "log_ratio_max": lr.abs().amax()}
    shares = _histogram(values, rank[0]).to(lr.dtype)
    return result | {f"log_ratio_bin{i}": share for i, share in enumerate(shares.unbind())}


def _histogram(values: Tensor, rank: Tensor) -> Tensor:
    """Shares (2·len(BINS) + 1,) of the counted values in each bin; NaN if none is counted.

    `values` (N,) are sorted, and `rank` (N,) is how many of those up to each one are counted.
    """
    edges = values.new_tensor([*(-edge for edge in reversed(BINS)), *BINS])
    below = F.pad(rank, (1, 0)).take(torch.searchsorted(values, edges))
    return torch.cat([below, rank[-1:]]).diff(prepend=rank.new_zeros(1)) / rank[-1]


def _quantiles(values: Tensor, rank: Tensor) -> Tensor:
    """Quantiles (S, Q) of the values that each of S rows counts, from one sort.

    `values` (N,) are sorted, and `rank` (S, N) is how many of those up to each one the row counts. Quantiles are
    interpolated linearly, as by `torch.quantile`; NaN if a row counts none.
    """
    place = rank.new_tensor(list(QUANTILES.values())) * (rank[:, -1:] - 1)
    last = len(values) - 1
    low, high = (values.take(torch.searchsorted(rank, at + 1).clamp(max=last)) for at in (place.floor(), place.ceil()))
    found = low.lerp(high, place.frac().to(values.dtype))
    return found.where(rank[:, -1:] > 0, found.new_tensor(torch.nan))


DIAGNOSTICS = tuple(update_diagnostics(TokenTerms(*torch.zeros(6, 1, 1).unbind())))
"""Names of the diagnostics."""
