"""Diagnostics of the ratios in one optimiser step, for all tokens and by the sign of their advantage."""

import torch
from torch import Tensor

QUANTILES = {"q01": 0.01, "q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99}
SIGNS = ("all", "pos", "neg")


def update_diagnostics(
    log_ratio: Tensor, ratio: Tensor, weight: Tensor, advantage: Tensor, mask: Tensor, outside: Tensor
) -> dict[str, Tensor]:
    """Return scalars over the valid tokens of a batch. All arguments are (B, T); `weight` is the gate's f′.

    `eur`: effective update ratio, the token mean of f′ (2602.19345, eq 12, without its grouping by prompt).
    `phi`: mean of φ = r·f′. `ess`: effective sample size (Σφ)²/(NΣφ²), in (0, 1]. `attenuated`: share of tokens with
    f′ < ½ (for a hard clip, the clipped share). `clamped`: share of tokens whose log r lies outside ±20. `kl`: k3
    estimate of KL(π_old ‖ π), in nats. `log_ratio_q05` …: quantiles of log r. `log_ratio_max`: the largest |log r|.

    Names without a suffix are for all tokens, `_pos` for tokens with Â > 0, and `_neg` for Â ≤ 0. A value is NaN if
    there are no such tokens.
    """
    result: dict[str, Tensor] = {}
    valid = mask.bool()
    for sign, chosen in zip(SIGNS, (valid, valid & (advantage > 0), valid & (advantage <= 0)), strict=True):
        suffix = "" if sign == "all" else f"_{sign}"
        lr, r, f = log_ratio[chosen], ratio[chosen], weight[chosen]
        phi = r * f
        result |= {
            f"eur{suffix}": f.mean(),
            f"phi{suffix}": phi.mean(),
            f"ess{suffix}": phi.sum().square() / (lr.numel() * phi.square().sum()),
            f"attenuated{suffix}": (f < 0.5).to(f.dtype).mean(),
            f"clamped{suffix}": outside[chosen].to(f.dtype).mean(),
        }
        points = lr.new_tensor(list(QUANTILES.values()))
        quantiles = torch.quantile(lr, points) if lr.numel() else torch.full_like(points, torch.nan)
        result |= {f"log_ratio_{q}{suffix}": v for q, v in zip(QUANTILES, quantiles, strict=True)}
        if sign == "all":
            result |= {"kl": (lr.exp() - 1 - lr).mean(), "log_ratio_max": lr.abs().amax() if lr.numel() else f.sum()}
    return result


DIAGNOSTICS = tuple(update_diagnostics(*torch.zeros(6, 1, 1).unbind()))
"""Names of the diagnostics."""
