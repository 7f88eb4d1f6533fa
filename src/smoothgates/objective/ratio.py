"""Importance ratios r = π/π_old: per token, or one per sequence (GSPO)."""

from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""|log r| beyond this is clamped, its token loses its gradient and is counted (verl's limit). In a healthy
run it never binds."""


def clamped_log_ratio(logp: Tensor, old_logp: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Log-ratio (B, T) in ±20 and 0 where masked, and which valid tokens (B, T) lie outside it.

    Masked first, clamped second, so that garbage at masked places (100, −∞, NaN) can reach neither
    the value nor, through 0·∞, the gradient. A valid token without a finite log-ratio is outside, with log r = 0.
    """
    raw = (logp - old_logp).where(mask, logp.new_zeros(()))
    finite = raw.isfinite()
    outside = ~finite | (raw.abs() > LOG_RATIO_LIMIT)
    log_ratio = raw.where(finite, logp.new_zeros(())).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    return log_ratio, outside


def importance_ratio(log_ratio: Tensor, mask: Tensor, level: str) -> Tensor:
    """Ratio (B, T) from a log-ratio that is 0 where masked.

    `token`: exp(log r_it). `sequence` and `sequence_token`: s_i = exp(mean_t log r_it) at every token of the row
    (GSPO 2507.18071, eq 7 and 14: the two share their value and differ in how advantages meet the gradient).
    """
    if level == "token":
        return log_ratio.exp()
    length = mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (log_ratio.sum(dim=1, keepdim=True) / length).exp().expand_as(log_ratio)
